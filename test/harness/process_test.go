package harness

import (
	"strings"
	"syscall"
	"testing"
)

func TestProcess_SeesOnlyItsOwnEnvironment(t *testing.T) {
	t.Setenv("SMTP_HOST", "developer.example")
	dir := TempDir(t)
	got := Exec(t, dir, []string{"LOG_LEVEL=debug"}, Need(t, "env"))
	if got.Code != 0 || strings.Contains(got.Stdout, "SMTP_HOST") ||
		!strings.Contains(got.Stdout, "LOG_LEVEL=debug\n") || !strings.Contains(got.Stdout, "HOME="+dir+"\n") {
		t.Errorf("code %d:\n%s", got.Code, got.Stdout)
	}
}

func TestProcess_ReportsHowItEnded(t *testing.T) {
	got := Exec(t, TempDir(t), nil, Need(t, "sh"), "-c", "echo out; echo err >&2; exit 2")
	if got.Code != 2 || got.Stdout != "out\n" || got.Stderr != "err\n" {
		t.Errorf("%+v", got)
	}
}

func TestProcess_EndsOnSignal(t *testing.T) {
	p := Start(t, TempDir(t), nil, Need(t, "sh"), "-c", `trap 'echo bye; kill $child; exit 0' TERM INT; sleep 60 & child=$!; echo ready; wait`)
	p.WaitOutput("ready")
	if !p.Running() {
		t.Fatal("ended by itself")
	}
	p.End(syscall.SIGINT)
	if p.Running() || !strings.Contains(p.Output(), "bye") {
		t.Errorf("running %v, output %q", p.Running(), p.Output())
	}
}

func TestProcess_KilledLikeACrash(t *testing.T) {
	p := Start(t, TempDir(t), nil, Need(t, "sleep"), "60")
	p.Kill()
	if code := p.Wait(); code != -1 {
		t.Errorf("code %d", code)
	}
}
