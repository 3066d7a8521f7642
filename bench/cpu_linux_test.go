package main

import (
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestCPUTime_CountsOtherThreads(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	defer stop.Store(true)
	go func() {
		for !stop.Load() {
		}
	}()
	for deadline := time.Now().Add(patience); ; {
		now, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now-before > 20*time.Millisecond {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a busy process used %v", now-before)
		}
	}
}

func TestDescribeMachine_NamesAll(t *testing.T) {
	m, err := describeMachine()
	if err != nil {
		t.Fatal(err)
	}
	if m.CPU == "" || m.Kernel == "" || m.Load == "" {
		t.Errorf("got %+v", m)
	}
	if bytes, err := residentBytes(os.Getpid()); err != nil || bytes < 1<<20 {
		t.Errorf("this process has %d bytes, %v", bytes, err)
	}
}

func TestAccepted_CountsEachConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	before, err := accepted()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	// Somebody else on this machine may have accepted some, too.
	if now, err := accepted(); err != nil || now-before < 20 {
		t.Errorf("counted %d of 20 connections, %v", now-before, err)
	}
}

func TestParseAccepted_FindsItsColumn(t *testing.T) {
	const names = "Tcp: RtoAlgorithm ActiveOpens PassiveOpens\n"
	if n, err := parseAccepted("Ip: Forwarding\nIp: 1\n" + names + "Tcp: 1 17 4711\n"); n != 4711 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	for _, text := range []string{"", names, names + "Tcp: 1 17\n", strings.ReplaceAll(names, "Passive", "Other") + "Tcp: 1 17 4711\n", names + "Tcp: 1 17 many\n"} {
		if _, err := parseAccepted(text); err == nil {
			t.Errorf("understood %q", text)
		}
	}
}
