package harness

import (
	"os/exec"
	"syscall"
)

// dieWithParent leaves no server behind when the test process is killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
