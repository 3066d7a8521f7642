package bolt_test

import (
	"context"
	"errors"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

func TestFaulty_InjectsWhatItSays(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault storetest.Fault
		runs  int
		err   error
		kept  bool
	}{
		{"None", storetest.None, 1, nil, true},
		{"FailBefore", storetest.FailBefore, 0, storetest.ErrInjected, false},
		{"FailAfter", storetest.FailAfter, 1, storetest.ErrInjected, false},
		{"RunTwice", storetest.RunTwice, 2, nil, true},
		{"CrashBefore", storetest.CrashBefore, 1, storetest.ErrCrash, false},
		{"CrashAfter", storetest.CrashAfter, 1, storetest.ErrCrash, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := storetest.Faulty(open(t), storetest.Faults{OnUpdate: storetest.At(2, c.fault)})
			set := func(name string) (runs int, err error) {
				err = s.Update(t.Context(), func(tx store.Tx) error { runs++; return tx.SetMeta(name, nil) })
				return runs, err
			}
			if _, err := set("first"); err != nil {
				t.Fatal(err)
			}
			if runs, err := set("second"); runs != c.runs || !errors.Is(err, c.err) {
				t.Errorf("ran %d times and returned %v, want %d and %v", runs, err, c.runs, c.err)
			}
			err := s.View(t.Context(), func(tx store.Tx) error { _, err := tx.MetaValue("second"); return err })
			if kept := err == nil; kept != c.kept {
				t.Errorf("kept: %t (%v)", kept, err)
			}
		})
	}
}

func TestFaulty_ClosuresErrorComesFirst(t *testing.T) {
	own := errors.New("own")
	for _, fault := range []storetest.Fault{storetest.FailAfter, storetest.RunTwice, storetest.CrashBefore, storetest.CrashAfter} {
		s := storetest.Faulty(open(t), storetest.Faults{OnUpdate: storetest.Always(fault)})
		if err := s.Update(t.Context(), func(store.Tx) error { return own }); !errors.Is(err, own) {
			t.Errorf("fault %d: got %v", fault, err)
		}
	}
}

func TestFaulty_ViewsFailAndHold(t *testing.T) {
	held := 0
	s := storetest.Faulty(open(t), storetest.Faults{
		Hold: func(ctx context.Context) error { held++; return ctx.Err() },
		OnView: func(n int) error {
			if n == 2 {
				return storetest.ErrInjected
			}
			return nil
		},
	})
	nothing := func(store.Tx) error { return nil }
	for i, want := range []error{nil, storetest.ErrInjected, nil} {
		if err := s.View(t.Context(), nothing); !errors.Is(err, want) {
			t.Errorf("View %d: got %v, want %v", i+1, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(ctx, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("held Update: %v", err)
	}
	if held != 4 {
		t.Errorf("held %d times, want 4", held)
	}
}
