package main

import (
	"os"
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
