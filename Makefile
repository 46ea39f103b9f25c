# make           prints this help
# Every target sets up what it needs. The list of images is the list of folders below images/.

SHELL := /bin/bash
IMAGES := $(notdir $(patsubst %/Dockerfile,%,$(wildcard images/*/Dockerfile)))
PARTS := $(filter-out base,$(IMAGES))
PY := .venv/bin/python
SOURCES := images tests
SCRIPTS := $(wildcard tools/*.sh) .ci/run
# The engine and the cluster that tools/ started, if any: harmless where neither runs.
ENGINE := eval "$$(tools/engine.sh env 2>/dev/null)"
CLUSTER := eval "$$(tools/kube.sh env 2>/dev/null)"

.DEFAULT_GOAL := help
.PHONY: help setup needs demo test unit check format docs lock images engine engine-stop kube kube-stop bench fuzz contract clean

help: ## print this help
	@echo "podparts: $(PARTS)"
	@grep -hE '^[a-z/%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## make .venv with every part as a command of its image's name
	@tools/setup.sh

needs: ## install the programs that tests run against (Debian, root)
	@tools/needs.sh

demo: setup ## start the first pod: on a Docker engine, or as processes where none runs
	@tools/demo.sh

test: setup ## run all tests that can run here; REQUIRE=all makes a skip a failure
	@$(ENGINE); $(CLUSTER); $(PY) -m pytest $(ARGS)

unit: setup ## run the tests that need nothing but Python
	@$(PY) -m pytest -q tests/unit $(ARGS)

test/%: setup ## run the tests of one part or layer: make test/topz, make test/process
	@$(ENGINE); $(CLUSTER); $(PY) -m pytest $$(find tests -path '*$(subst -,_,$*)*' -name 'test_*.py' -o -path '*$**' -name 'test_*.py') $(ARGS)

check: setup ## format, lint, types, shell scripts, generated documents
	@$(PY) -m ruff format --check $(SOURCES)
	@$(PY) -m ruff check $(SOURCES)
	@MYPYPATH=tests$(subst $() $(),,$(patsubst %,:%,$(wildcard images/*/src))) $(PY) -m mypy $(wildcard images/*/src/*) tests
	@MYPYPATH=images/base/assembly $(PY) -m mypy images/base/assembly
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo "shellcheck is not here: make needs"; fi
	@$(PY) -m podparts.reference --check

format: setup ## format the code
	@$(PY) -m ruff format $(SOURCES)
	@$(PY) -m ruff check --fix-only -q $(SOURCES)

docs: setup ## write tables and Dockerfile blocks from the declarations
	@$(PY) -m podparts.reference

contract: setup ## print the API of all parts: settings, defaults, endpoints, metrics, exit codes
	@$(PY) -m podparts.reference --surface

lock: setup ## pin requirements by version and hash
	@tools/lock.sh

images: $(addprefix image/,$(PARTS)) ## build all images

image/base: engine
	@$(ENGINE); tools/standin.sh python:3.13-slim-trixie && docker build -q -t podparts/base images/base

image/%: image/base ## build one image: make image/topz
	@$(ENGINE); docker build -q -t podparts/$* images/$*

engine: ## start a container engine where none runs (Debian, root)
	@tools/engine.sh start

engine-stop: ## end the engine that `make engine` started
	@tools/engine.sh stop

kube: engine ## start a real single-node Kubernetes where KUBECONFIG names none
	@$(ENGINE); tools/kube.sh up

kube-stop: ## end that Kubernetes
	@$(ENGINE); tools/kube.sh down

bench: setup needs ## side by side with nginx and haproxy; writes tests/bench/results
	@$(ENGINE); cd tests && ../$(PY) -m bench $(ARGS)

fuzz: setup ## ten million mutated heads against llhttp and h11
	@cd tests && ../$(PY) -m fuzz $(ARGS)

clean: ## remove what setup and builds left here
	rm -rf .venv images/*/build images/*/src/*.egg-info images/base/src/podparts/*/*.so images/base/src/podparts/*/*.c
