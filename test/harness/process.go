package harness

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program under test in the foreground. When the test ends it is
// stopped, waited for, and its output shown if the test failed.
type Process struct {
	Name string
	t    testing.TB
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed once the process has been waited for
}

// Exit is how a process ended.
type Exit struct {
	Code           int // -1 when a signal ended it
	Stdout, Stderr string
}

// Start runs a program in dir. Its environment is PATH, HOME=dir and env,
// nothing of the developer's own.
func Start(t testing.TB, dir string, env []string, program string, args ...string) *Process {
	t.Helper()
	p := &Process{Name: program, t: t, cmd: command(context.Background(), dir, env, program, args), out: &output{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", program, err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is read from ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("output of %s %s:\n%s", program, strings.Join(args, " "), p.out.tail())
		}
		if p.Running() {
			p.Stop()
		}
	})
	return p
}

// Exec runs a program to its end and returns how it ended.
func Exec(t testing.TB, dir string, env []string, program string, args ...string) Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := command(ctx, dir, env, program, args)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("running %s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return Exit{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

func command(ctx context.Context, dir string, env []string, program string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	cmd.WaitDelay = time.Second // a grandchild holding the pipe must not hold the test
	dieWithParent(cmd)
	return cmd
}

// Running says whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Stop asks the process to end (SIGTERM) and fails the test when it does not
// end or ends with an error.
func (p *Process) Stop() {
	p.t.Helper()
	p.End(syscall.SIGTERM)
}

// End sends the signal and fails the test unless the process ends with code 0
// within patience. It returns how long that took.
func (p *Process) End(sig os.Signal) time.Duration {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("signalling %s: %v", p.Name, err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
		p.t.Errorf("%s did not end on %v within %s", p.Name, sig, patience)
		return patience
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("%s ended on %v with code %d", p.Name, sig, code)
	}
	return time.Since(began)
}

// Kill ends the process at once, as a crash would, and waits for it.
func (p *Process) Kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("killing %s: %v", p.Name, err)
	}
	<-p.done
}

// Wait waits for the process to end by itself and returns its exit code.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s still runs after %s", p.Name, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is everything written to stdout and stderr so far.
func (p *Process) Output() string { return p.out.String() }

// WaitOutput waits until the output contains the text.
func (p *Process) WaitOutput(text string) {
	p.t.Helper()
	Eventually(p.t, "waiting for output of "+p.Name, func() string {
		switch {
		case strings.Contains(p.Output(), text):
			return ""
		case !p.Running():
			p.t.Fatalf("%s ended before it said %q:\n%s", p.Name, text, p.out.tail())
		}
		return "no " + text
	})
}

// WaitListening waits until something accepts connections at the address.
func (p *Process) WaitListening(address string) {
	p.t.Helper()
	Eventually(p.t, "waiting for "+address, func() string {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return ""
		}
		if !p.Running() {
			p.t.Fatalf("%s ended before it listened at %s:\n%s", p.Name, address, p.out.tail())
		}
		return err.Error()
	})
}

// output collects what a process writes while tests read it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// tail is the end of the output, enough for a failure message.
func (o *output) tail() string {
	const limit = 8 << 10
	s := o.String()
	if len(s) > limit {
		s = "…" + s[len(s)-limit:]
	}
	return s
}
