package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"
)

// verify looks whether everybody does what the table will say of them.
func (f *farm) verify(ctx context.Context) error {
	var errs []error
	for _, endpoint := range endpoints {
		errs = append(errs, f.ours.verify(ctx, endpoint))
	}
	for _, d := range f.peers {
		errs = append(errs, d.verify(ctx, forwardAuth))
	}
	for _, d := range append(slices.Clone(f.peers), f.ours) {
		errs = append(errs, d.verifySite(ctx, loopback(d.edge)))
	}
	for _, d := range f.insiders() {
		errs = append(errs, d.verifySite(ctx, d.addr))
	}
	return errors.Join(errs...)
}

// verify asks with a session and without.
func (d *decider) verify(ctx context.Context, endpoint string) error {
	res, err := exchange(ctx, d.addr, d.asking(endpoint, d.cookies))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 || res.Header.Get(d.copies[0]) == "" {
		return fmt.Errorf("%s answers %s for a signed-in user at %s, with %v", d.name, res.Status, endpoint, slices.Sorted(maps.Keys(res.Header)))
	}
	if res, err = exchange(ctx, d.addr, d.asking(endpoint, "")); err != nil {
		return err
	}
	if res.StatusCode/100 == 2 {
		return fmt.Errorf("%s answers %s for nobody at %s", d.name, res.Status, endpoint)
	}
	return nil
}

// verifySite visits the app behind an address with a session and without.
func (d *decider) verifySite(ctx context.Context, addr string) error {
	got, err := seen(ctx, addr, hostOf(d.app), d.cookies)
	if err != nil {
		return err
	}
	if got.Get(d.copies[0]) == "" {
		return fmt.Errorf("behind %s the upstream got no %s", d.name, d.copies[0])
	}
	res, err := exchange(ctx, addr, visiting(d.app, ""))
	if err != nil {
		return err
	}
	if res.StatusCode/100 == 2 {
		return fmt.Errorf("the app behind %s answers %s for nobody", d.name, res.Status)
	}
	return nil
}

// exchange sends bytes, as the load does, and reads the head of one answer.
func exchange(ctx context.Context, addr string, request []byte) (*http.Response, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := c.Write(request); err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, fmt.Errorf("receiving: %w", err)
	}
	return res, res.Body.Close()
}
