package sessioncache

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync"
	"unsafe"
)

const (
	maxShards     = 64
	minShardBytes = 256 << 10 // room for a few chunks and their users

	// chunkEntries makes a chunk 32 KiB: the least size that the allocator
	// rounds nothing up for, as it keeps the pointer map of such objects
	// outside them. The first chunk begins smaller and doubles.
	chunkEntries = 512
	firstEntries = 8

	// An index cell is a position plus one in its low bits and part of the hash
	// in its high bits, so that a probe reads the slab only for a likely match.
	posBits     = 20
	posMask     = 1<<posBits - 1
	maxPerShard = posMask // 67 million sessions in 64 shards

	minIndex = 64

	// maxPending bounds the touches kept of entries that left, per shard. A
	// full list drops the touch of the next one: that session looks up to a
	// flush interval older than it is, which may end it early, never late.
	maxPending   = 512
	pendingBytes = 56 // a map cell of 40 bytes at average load
)

// entry is a session in the slab; a cache line long.
type entry[U any] struct {
	hash     [32]byte
	slot     *userSlot[U]
	host     uint32
	authTime uint32 // times are Unix seconds; they last until 2106
	created  uint32
	lastSeen uint32
	kind     uint8
	amr      uint8
}

// shard holds the entries at positions 0 to n-1 without gaps: the last one
// moves into the place of one that leaves. Used and dirty marks are bit sets
// beside them, so that eviction and Dirty do not read the slab to find them.
type shard[U any] struct {
	mu      sync.Mutex
	n       int
	hand    int // of the clock
	room    int // entries that fit the chunks
	chunks  [][]entry[U]
	index   []uint32 // linear probing, power of two, at most 3/4 full; 0 is free
	used    []uint64
	dirty   []uint64
	pending map[[32]byte]uint32 // last seen of entries that left while dirty
	_       [64]byte            // keeps neighbours' locks off one cache line
}

func (e *entry[U]) export() Entry[U] {
	return Entry[U]{
		User: e.slot.user, Host: e.host, Kind: e.kind, AMR: e.amr,
		AuthTime: int64(e.authTime), Created: int64(e.created), LastSeen: int64(e.lastSeen),
	}
}

func (s *shard[U]) at(pos int) *entry[U] {
	return &s.chunks[uint(pos)/chunkEntries][uint(pos)%chunkEntries]
}

// find returns the position of the entry with this hash.
func (s *shard[U]) find(hash *[32]byte) (int, bool) {
	if s.n == 0 {
		return 0, false
	}
	mask, tag := len(s.index)-1, tagOf(hash)
	for i := home(hash) & mask; s.index[i] != 0; i = (i + 1) & mask {
		if s.index[i]&^posMask == tag {
			if pos := int(s.index[i]&posMask) - 1; s.at(pos).hash == *hash {
				return pos, true
			}
		}
	}
	return 0, false
}

// touch raises lastSeen.
func (s *shard[U]) touch(pos int, now uint32) {
	if e := s.at(pos); now > e.lastSeen {
		e.lastSeen = now
		set(s.dirty, pos)
	}
}

// add appends an entry that is not there yet. A touch of it that is pending
// since it was last evicted is newer than what the store said.
func (s *shard[U]) add(hash [32]byte, e Entry[U], slot *userSlot[U]) {
	pos := s.n
	if pos == s.room {
		s.grow()
	}
	s.n++
	*s.at(pos) = entry[U]{
		hash: hash, slot: slot, host: e.Host, kind: e.Kind, amr: e.AMR,
		authTime: seconds(e.AuthTime), created: seconds(e.Created), lastSeen: seconds(e.LastSeen),
	}
	if seen, ok := s.pending[hash]; ok {
		delete(s.pending, hash)
		s.touch(pos, seen)
	}
	if s.n > len(s.index)/4*3 {
		s.reindex(max(minIndex, 2*len(s.index)))
	} else {
		s.link(pos)
	}
}

// nextChunk is how many entries grow makes room for.
func (s *shard[U]) nextChunk() int {
	switch {
	case s.room == 0:
		return firstEntries
	case s.room < chunkEntries:
		return s.room
	}
	return chunkEntries
}

func (s *shard[U]) grow() {
	more := s.nextChunk()
	if 0 < s.room && s.room < chunkEntries {
		bigger := make([]entry[U], s.room+more)
		copy(bigger, s.chunks[0])
		s.chunks[0] = bigger
	} else {
		s.chunks = append(s.chunks, make([]entry[U], more))
	}
	s.room += more
	for len(s.used)*64 < s.room {
		s.used = append(s.used, 0)
		s.dirty = append(s.dirty, 0)
	}
}

// remove takes the entry at pos out and keeps its touch.
func (s *shard[U]) remove(pos int) {
	if e := s.at(pos); isSet(s.dirty, pos) {
		s.keep(e.hash, e.lastSeen)
	}
	s.unlink(pos)
	last := s.n - 1
	if pos != last {
		s.index[s.cell(last)] = tagOf(&s.at(last).hash) | uint32(pos+1)
		*s.at(pos) = *s.at(last)
		copyBit(s.used, pos, last)
		copyBit(s.dirty, pos, last)
	}
	*s.at(last) = entry[U]{}
	clearBit(s.used, last)
	clearBit(s.dirty, last)
	s.n = last
	s.shrink(1)
}

// keep remembers a touch for Dirty.
func (s *shard[U]) keep(hash [32]byte, seen uint32) {
	if s.pending == nil {
		s.pending = map[[32]byte]uint32{}
	}
	if _, ok := s.pending[hash]; ok || len(s.pending) < maxPending {
		s.pending[hash] = seen
	}
}

// shrink gives back the empty chunks at the end but for spare, and the index
// when it is far too large.
func (s *shard[U]) shrink(spare int) {
	keep := (s.n+chunkEntries-1)/chunkEntries + spare
	if keep >= len(s.chunks) {
		return
	}
	clear(s.chunks[keep:])
	s.chunks = s.chunks[:keep]
	s.room = keep * chunkEntries
	s.used, s.dirty = s.used[:s.room/64], s.dirty[:s.room/64]
	if size := len(s.index) / 4; size >= minIndex && s.n < size/2 {
		s.reindex(size)
	}
}

// victim moves the clock's hand past the next entry that was not used since the
// hand last passed it, and returns that entry's position. What then moves into
// its place, the newest, is behind the hand and has a whole round.
func (s *shard[U]) victim() int {
	for {
		if s.hand >= s.n {
			s.hand = 0
		}
		pos := s.hand
		s.hand++
		if !isSet(s.used, pos) {
			return pos
		}
		clearBit(s.used, pos)
	}
}

// collect appends touches to out, up to limit in all, and clears their marks.
func (s *shard[U]) collect(out []Touched, limit int) []Touched {
	for hash, seen := range s.pending {
		if len(out) >= limit {
			return out
		}
		out = append(out, Touched{Hash: hash, LastSeen: int64(seen)})
		delete(s.pending, hash)
	}
	for w := range s.dirty {
		for s.dirty[w] != 0 {
			if len(out) >= limit {
				return out
			}
			pos := w*64 + bits.TrailingZeros64(s.dirty[w])
			e := s.at(pos)
			out = append(out, Touched{Hash: e.hash, LastSeen: int64(e.lastSeen)})
			clearBit(s.dirty, pos)
		}
	}
	return out
}

// bytes is the memory of the shard.
func (s *shard[U]) bytes() int {
	return slabBytes[U](s.room) + 4*len(s.index) + pendingBytes*len(s.pending)
}

// slabBytes is the memory of n entries and their marks.
func slabBytes[U any](n int) int { return n*int(unsafe.Sizeof(entry[U]{})) + n/64*2*8 }

// fits reports whether the shard stays within share with one more entry.
func (s *shard[U]) fits(share int) bool {
	need := s.bytes()
	if s.n == s.room {
		need += slabBytes[U](s.nextChunk())
	}
	if s.n+1 > len(s.index)/4*3 {
		need += 4 * max(minIndex, len(s.index))
	}
	return need <= share
}

// link enters the entry at pos into the index.
func (s *shard[U]) link(pos int) {
	hash, mask := &s.at(pos).hash, len(s.index)-1
	i := home(hash) & mask
	for s.index[i] != 0 {
		i = (i + 1) & mask
	}
	s.index[i] = tagOf(hash) | uint32(pos+1)
}

// cell returns where in the index the entry at pos stands.
func (s *shard[U]) cell(pos int) int {
	mask := len(s.index) - 1
	i := home(&s.at(pos).hash) & mask
	for s.index[i]&posMask != uint32(pos+1) {
		i = (i + 1) & mask
	}
	return i
}

// unlink takes the entry at pos out of the index and moves later ones of the
// same run back, so that no search ends early at the hole (Knuth, The Art of
// Computer Programming, volume 3, section 6.4, algorithm R).
func (s *shard[U]) unlink(pos int) {
	mask := len(s.index) - 1
	hole := s.cell(pos)
	for i := (hole + 1) & mask; s.index[i] != 0; i = (i + 1) & mask {
		start := home(&s.at(int(s.index[i]&posMask)-1).hash) & mask
		if (i-start)&mask >= (i-hole)&mask {
			s.index[hole] = s.index[i]
			hole = i
		}
	}
	s.index[hole] = 0
}

func (s *shard[U]) reindex(size int) {
	s.index = make([]uint32, size)
	for pos := range s.n {
		s.link(pos)
	}
}

// home and tagOf use bytes of the hash that choose neither shard nor each other.
func home(hash *[32]byte) int { return int(binary.LittleEndian.Uint32(hash[8:])) }

func tagOf(hash *[32]byte) uint32 {
	return binary.LittleEndian.Uint32(hash[16:]) &^ posMask
}

func seconds(t int64) uint32 { return uint32(min(max(t, 0), math.MaxUint32)) }

func set(b []uint64, i int)        { b[i/64] |= 1 << (i % 64) }
func clearBit(b []uint64, i int)   { b[i/64] &^= 1 << (i % 64) }
func isSet(b []uint64, i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func copyBit(b []uint64, to, from int) {
	if isSet(b, from) {
		set(b, to)
	} else {
		clearBit(b, to)
	}
}
