package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxBody is the longest body of a request or an answer. Bytes.
const MaxBody = 4 << 20

const (
	frameHead = 18 // the length field included
	frameRest = frameHead - 4
)

type frameKind byte

const (
	frameRequest frameKind = 1
	frameAnswer  frameKind = 2
	frameError   frameKind = 3
	frameRefusal frameKind = 4
	framePing    frameKind = 5
	framePong    frameKind = 6
)

// What a refused request is refused for: the sub byte of a frameRefusal.
const (
	refusedNoHandler byte = 1
	refusedBusy      byte = 2
	refusedClosing   byte = 3
)

var errFrame = errors.New("malformed frame")

// frame is one message on a connection for calls; doc.go has the layout.
type frame struct {
	id   uint64
	kind frameKind
	sub  byte
	arg  uint32
	body []byte
}

func (f frame) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(frameRest+len(f.body))) //nolint:gosec // MaxBody is checked before
	b = binary.BigEndian.AppendUint64(b, f.id)
	b = append(b, byte(f.kind), f.sub)
	b = binary.BigEndian.AppendUint32(b, f.arg)
	return append(b, f.body...)
}

// readFrame reads the next frame. The body is newly allocated. A clean end
// between two frames is io.EOF.
func readFrame(r io.Reader, head *[frameHead]byte) (frame, error) {
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < frameRest || n > frameRest+MaxBody {
		return frame{}, fmt.Errorf("%w: length %d", errFrame, n)
	}
	f := frame{
		id:   binary.BigEndian.Uint64(head[4:]),
		kind: frameKind(head[12]),
		sub:  head[13],
		arg:  binary.BigEndian.Uint32(head[14:]),
	}
	if f.kind < frameRequest || f.kind > framePong {
		return frame{}, fmt.Errorf("%w: kind %d", errFrame, f.kind)
	}
	if n -= frameRest; n > 0 {
		f.body = make([]byte, n)
		if _, err := io.ReadFull(r, f.body); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return frame{}, err
		}
	}
	return f, nil
}
