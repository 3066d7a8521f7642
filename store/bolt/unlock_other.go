//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package bolt

import "os"

// unlock has nothing to do where closing the file releases bbolt's lock.
func unlock(*os.File) error { return nil }
