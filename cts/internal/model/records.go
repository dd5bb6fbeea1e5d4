package model

const (
	// usual is a size that most records do not exceed, in bytes.
	usual = 512
	// minBlock is the smallest size of a block of records, in bytes.
	minBlock = 4 << 10
)

// records are byte strings in one block. What was added is never changed in
// place, so that it may be read without the shard's lock.
type records struct {
	block []byte
	live  int // bytes that were added and not dropped
}

// extent is where a record lies. A record has at least one byte.
type extent struct{ start, size int }

// newRecords has room for size bytes and half as many again: by the time it is
// full, and live records are moved to the next, it has taken as many bytes as
// half of what has to be moved.
func newRecords(size int) records {
	return records{block: make([]byte, 0, max(minBlock, size+size/2))}
}

func (r *records) fits(size int) bool { return len(r.block)+size <= cap(r.block) }

// sparse reports whether most of the block is wasted.
func (r *records) sparse() bool { return cap(r.block) > minBlock && r.live < cap(r.block)/4 }

func (r *records) add(record []byte) extent {
	e := extent{start: len(r.block), size: len(record)}
	r.block = append(r.block, record...)
	r.live += len(record)
	return e
}

func (r *records) drop(e extent) { r.live -= e.size }

func (r *records) at(e extent) []byte { return r.block[e.start : e.start+e.size : e.start+e.size] }
