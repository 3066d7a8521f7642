package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is how long a process and all its threads, ended ones too, have been
// on a processor, in user and system mode. Its clock counts nanoseconds, where
// /proc/PID/stat counts hundredths of a second (clock_getcpuclockid(3)).
func cpuTime(pid int) (time.Duration, error) {
	const sched = 2 // CPUCLOCK_SCHED: clock id = complement of pid << 3 | which clock
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// residentBytes is the memory of a process that is in RAM.
func residentBytes(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	kib, err := strconv.ParseInt(strings.TrimSuffix(field(string(status), "VmRSS"), " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	return kib << 10, nil
}

// accepted is how many TCP connections the programs on this machine have
// accepted so far: what the kernel counts, since no server of somebody else's
// would tell (PassiveOpens, RFC 4022).
func accepted() (int, error) {
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		return 0, fmt.Errorf("counting connections: %w", err)
	}
	return parseAccepted(string(text))
}

// parseAccepted reads a line of names and one of values, both "Tcp: …".
func parseAccepted(text string) (int, error) {
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		if i := slices.Index(names, "PassiveOpens"); i >= 0 && i < len(fields) {
			return strconv.Atoi(fields[i])
		}
	}
	return 0, errors.New("counting connections: the kernel does not say how many were accepted")
}

// describeMachine names processor, kernel and what else was running.
func describeMachine() (m Machine, err error) {
	cpu, err1 := os.ReadFile("/proc/cpuinfo")
	kernel, err2 := os.ReadFile("/proc/sys/kernel/osrelease")
	load, err3 := os.ReadFile("/proc/loadavg")
	m.CPU, m.Kernel = field(string(cpu), "model name"), "Linux "+strings.TrimSpace(string(kernel))
	m.Load, _, _ = strings.Cut(string(load), " ")
	if m.CPU == "" { // ARM has no name there
		m.CPU = runtime.GOARCH
	}
	return m, errors.Join(err1, err2, err3)
}

// field is the value of the first line "name: value".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// dieWithParent leaves no server behind when this program is killed. The signal
// also comes when the thread that started the process ends, but Go ends threads
// only with a goroutine that is locked to one, and none is here.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
