// What the server drew already works; this makes it quick: sorting in place, refreshing without a reload, keys as in top.
"use strict";
(() => {
  const body = document.body;
  const period = Number(body.dataset.refresh) * 1000;
  let url = location.href, paused = body.dataset.paused === "1", timer = 0, turn = 0;

  const $ = (selector) => document.querySelector(selector);
  const at = () => new URL(url).searchParams.get("at");

  function status(state, text) {
    const place = $(".status");
    if (!place) return;
    place.className = "status " + state;
    if (text) place.querySelector("span:last-child").textContent = text;
  }

  // --- refreshing -------------------------------------------------------------------------------------------------

  async function refresh() {
    clearTimeout(timer);
    const mine = ++turn;
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error(answer.status === 401 ? "signed out" : "error " + answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mine === turn) show(page);
    } catch (error) {
      if (mine === turn) status("lost", "no answer (" + error.message + "), trying again");
    }
    if (mine === turn) schedule();
  }

  function schedule() {
    clearTimeout(timer);
    if (period && !paused && !document.hidden && at() === null) timer = setTimeout(refresh, period);
  }

  function show(page) {
    const fresh = page.querySelector("#live");
    if (!fresh) throw new Error("not this page");
    if (!getSelection().isCollapsed) return; // text that somebody has marked is not pulled away
    const held = document.activeElement && document.activeElement.id;
    const scroll = $(".scroll") ? $(".scroll").scrollLeft : 0;
    const travel = $(".travel"), next = fresh.querySelector(".travel");
    if (travel && next && travel.querySelector("input:active")) next.replaceWith(travel); // nor the slider that somebody holds
    $("#live").replaceWith(document.adoptNode(fresh));
    document.title = page.title;
    if (held && document.getElementById(held)) document.getElementById(held).focus({ preventScroll: true });
    if ($(".scroll")) $(".scroll").scrollLeft = scroll;
  }

  function go(href, now = true) {
    url = new URL(href, location.href).href;
    history.replaceState(null, "", url);
    if (now) refresh();
  }

  // --- sorting in place, then by the server (which also knows the rows that are not shown) ---------------------------

  function sort(link) {
    const head = link.closest("th"), column = head.cellIndex;
    const was = head.getAttribute("aria-sort");
    const down = was ? was === "ascending" : head.dataset.first === "descending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => { const cell = row.cells[column]; return cell.dataset.v === undefined ? cell.textContent.toLowerCase() : Number(cell.dataset.v); };
    for (const group of head.closest("table").tBodies) {
      const rows = [...group.rows].filter((row) => row.cells.length > 1);
      rows.sort((a, b) => { const x = value(a), y = value(b); return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1); });
      group.append(...rows);
    }
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || !link.closest("#live") || link.dataset.leave !== undefined) return;
    if (link.origin !== location.origin || link.pathname !== location.pathname) return;
    event.preventDefault();
    if (link.closest("thead") && !$("table.tree")) sort(link);
    go(link.href);
  });

  // --- filter, pause, time ------------------------------------------------------------------------------------------

  function ask(name, value) {
    const wanted = new URL(url);
    if (value) wanted.searchParams.set(name, value); else wanted.searchParams.delete(name);
    return wanted.href;
  }

  let wait = 0;
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.name === "q") {
      clearTimeout(wait);
      wait = setTimeout(() => go(ask("q", field.value.trim())), 120);
    } else if (field.type === "range") {
      const time = new Date(field.value * 1000).toISOString().slice(11, 19);
      const output = field.form.querySelector("output");
      if (output) output.textContent = time;
      clearTimeout(wait);
      wait = setTimeout(() => go(ask("at", Number(field.value) >= Number(field.max) ? "" : field.value)), 90);
    }
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "get" || form.dataset.leave !== undefined) return;
    event.preventDefault();
    const field = form.elements.q || form.elements.at;
    go(ask(field.name, field.value.trim()));
  });

  document.addEventListener("change", (event) => { if (event.target.type === "range") refresh(); });

  const button = $("#pause");
  if (button) {
    const name = () => { button.textContent = paused ? "Resume" : "Pause"; button.setAttribute("aria-pressed", String(paused)); };
    button.addEventListener("click", (event) => { event.preventDefault(); paused = !paused; name(); if (paused) { clearTimeout(timer); ++turn; status("paused", "paused"); } else refresh(); });
    name();
  }
  document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else if (!paused && at() === null) refresh(); });

  // --- keys as in top --------------------------------------------------------------------------------------------------

  const click = (selector) => { const found = $(selector); if (found) found.click(); };
  const keys = {
    P: () => click('th[data-key="cpu"] a'), M: () => click('th[data-key="mem"] a'), N: () => click('th[data-key="pid"] a'), T: () => click('th[data-key="time"] a'),
    R: () => click("th[aria-sort] a"), V: () => click('[data-layout="' + ($("table.tree") ? "groups" : "tree") + '"]'), I: () => click("#percent a:not([aria-current])"),
    " ": () => button && button.click(), "/": () => { const field = $('input[name="q"]'); if (field) { field.focus(); field.select(); } },
    "[": () => click("#earlier"), "]": () => click("#later"), L: () => click("#now"), Escape: () => click("#close"),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, textarea, select")) { if (event.key === "Escape") event.target.blur(); return; }
    if (event.key === " " && event.target.matches("button, a")) return;
    const key = keys[event.key] ? event.key : event.key.toUpperCase();
    if (keys[key]) { event.preventDefault(); keys[key](); }
  });

  schedule();
})();
