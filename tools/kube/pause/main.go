// The first process of a pod: holds the pod's namespaces, and where the pod shares one PID namespace, is the init that collects
// the dead processes which nobody else waits for. Ends on SIGTERM or SIGINT.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		for collected := true; collected; { // one signal may stand for several children
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			collected = err == nil && pid > 0 || err == syscall.EINTR
		}
	}
}
