package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// child is one of the two binaries. It is started again whenever it ends before
// it was told to, as a service manager would do.
type child struct {
	name    string
	path    string
	args    []string
	dir     string
	env     []string
	logPath string

	mu     sync.Mutex
	cmd    *exec.Cmd
	killed int
	done   chan struct{} // closed when run returned
	stop   bool
	held   chan struct{} // closed when the program may be started again; nil: it may
}

// run keeps the program running until it is stopped. An end that nobody asked
// for within its first second is an error: a wrong configuration.
func (c *child) run(ctx context.Context) error {
	defer close(c.done)
	log, err := os.OpenFile(c.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	for {
		c.awaitStart(ctx)
		began := time.Now()
		killed, err := c.once(log)
		switch {
		case c.stopping() || ctx.Err() != nil:
			return err
		case killed:
			continue
		case time.Since(began) < time.Second:
			return fmt.Errorf("%s ended at once: %w; its log is %s", c.name, err, c.logPath)
		}
	}
}

// hold keeps the program from being started again until release is called.
func (c *child) hold() (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := make(chan struct{})
	c.held = held
	return sync.OnceFunc(func() { close(held) })
}

func (c *child) awaitStart(ctx context.Context) {
	c.mu.Lock()
	held := c.held
	c.mu.Unlock()
	if held == nil {
		return
	}
	select {
	case <-held:
	case <-ctx.Done():
	}
}

func (c *child) once(log *os.File) (killed bool, err error) {
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = c.dir, log, log, append(os.Environ(), c.env...)
	// A group of its own: Ctrl-C reaches quickstart alone, which then stops the
	// handler first and the relay after it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.mu.Lock()
	if c.stop {
		c.mu.Unlock()
		return false, nil
	}
	if err := cmd.Start(); err != nil {
		c.mu.Unlock()
		return false, err
	}
	c.cmd = cmd
	before := c.killed
	c.mu.Unlock()
	err = cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && !c.stop {
		err = errors.New("exit code 0")
	}
	return c.killed > before, err
}

// kill ends the program as a crash does.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd != nil && c.cmd.Process != nil && !c.stop {
		c.killed++
		_ = c.cmd.Process.Kill()
	}
}

// signal passes a signal on.
func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd != nil && c.cmd.Process != nil {
		_ = c.cmd.Process.Signal(sig)
	}
}

// terminate asks the program to stop, waits, and in the end insists.
func (c *child) terminate(grace time.Duration) {
	c.mu.Lock()
	c.stop = true
	if c.cmd != nil && c.cmd.Process != nil {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	c.mu.Unlock()
	select {
	case <-c.done:
	case <-time.After(grace):
		c.mu.Lock()
		if c.cmd != nil && c.cmd.Process != nil {
			_ = c.cmd.Process.Kill()
		}
		c.mu.Unlock()
		<-c.done
	}
}

func (c *child) stopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop
}

func (c *child) kills() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed
}
