package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// The upstream and the load run in processes of their own, so that the CPU time
// of Caddy's process is Caddy's alone; a mailbox, where it would disturb a clock. Each is this program again, and answers
// one line of JSON on stdout for each line on stdin until stdin ends.

// roles are what a child can be.
var roles = map[string]func(io.Reader, io.Writer) error{
	"upstream": serveUpstream,
	"load":     serveLoad,
	"mailbox":  serveMailbox,
}

// child is a running one.
type child struct {
	role string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
}

// startChild runs this program again in a role.
func startChild(role string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	c := &child{role: role, cmd: exec.Command(self, role)}
	c.cmd.Stderr = os.Stderr
	dieWithParent(c.cmd)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", role, err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the %s: %w", role, err)
	}
	c.out = json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", role, err)
	}
	return c, nil
}

// ask sends a question and decodes its answer into into.
func (c *child) ask(question, into any) error {
	if err := json.NewEncoder(c.in).Encode(question); err != nil {
		return fmt.Errorf("asking the %s: %w", c.role, err)
	}
	var answer struct {
		Error string
		Value json.RawMessage
	}
	if err := c.out.Decode(&answer); err != nil {
		return fmt.Errorf("hearing the %s: %w", c.role, err)
	}
	if answer.Error != "" {
		return fmt.Errorf("%s: %s", c.role, answer.Error)
	}
	return json.Unmarshal(answer.Value, into)
}

// stop ends the child by ending its stdin.
func (c *child) stop() error {
	return errors.Join(c.in.Close(), c.cmd.Wait())
}

// answer is the child's side: it answers every question with what fn returns.
func answer[Question any](in io.Reader, out io.Writer, fn func(Question) (any, error)) error {
	questions, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q Question
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading a question: %w", err)
		}
		var a struct {
			Error string
			Value any
		}
		value, err := fn(q)
		if a.Value = value; err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
}
