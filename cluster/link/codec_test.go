package link

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The examples of doc.go.
func TestDocumentedBytes(t *testing.T) {
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{
			"preamble", preamble{min: 1, max: 1, kind: Call, member: "7f"}.encode(),
			"534a524e 0016 0101 03 00000000000000000000000000000000 023766",
		},
		{
			"request", frame{id: 1, kind: frameRequest, sub: 2, arg: 1000, body: []byte("hi")}.append(nil),
			"00000010 0000000000000001 01 02 000003e8 6869",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := hex.EncodeToString(tt.got); got != strings.ReplaceAll(tt.want, " ", "") {
				t.Errorf("encoded as %s, documented as %s", got, tt.want)
			}
		})
	}
}

func TestBlocksSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.StringMatching(`[-_.a-zA-Z0-9]{1,64}`)
		lowest := rapid.ByteMin(1).Draw(rt, "min")
		p := preamble{
			min: lowest, max: rapid.ByteMin(lowest).Draw(rt, "max"),
			kind: Kind(rapid.Byte().Draw(rt, "kind")), member: id.Draw(rt, "member"),
		}
		copy(p.cluster[:], rapid.SliceOfN(rapid.Byte(), clusterLen, clusterLen).Draw(rt, "cluster"))
		a := answer{verdict: Refusal(p.kind), version: p.min, cluster: p.cluster, member: p.member, detail: rapid.StringN(-1, -1, maxDetail).Draw(rt, "detail")}
		later := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(rt, "fields of a later version")

		r := bytes.NewReader(append(append(p.encode(), a.encode()...), "rest"...))
		b, err := readBlock(r)
		if err != nil {
			rt.Fatal(err)
		}
		if got, err := decodePreamble(append(b, later...)); err != nil || got != p {
			rt.Fatalf("preamble %+v came back as %+v, %v", p, got, err)
		}
		if b, err = readBlock(r); err != nil {
			rt.Fatal(err)
		}
		if got, err := decodeAnswer(append(b, later...)); err != nil || got != a {
			rt.Fatalf("answer %+v came back as %+v, %v", a, got, err)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "rest" {
			rt.Fatalf("%q is left of what follows the answer", rest)
		}
	})
}

func TestFramesSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var stream []byte
		var sent []frame
		for range rapid.IntRange(0, 5).Draw(rt, "frames") {
			f := frame{
				id:   rapid.Uint64().Draw(rt, "id"),
				kind: frameKind(rapid.ByteRange(byte(frameRequest), byte(framePong)).Draw(rt, "kind")),
				sub:  rapid.Byte().Draw(rt, "sub"),
				arg:  rapid.Uint32().Draw(rt, "arg"),
			}
			if b := rapid.SliceOf(rapid.Byte()).Draw(rt, "body"); len(b) > 0 {
				f.body = b
			}
			sent = append(sent, f)
			stream = f.append(stream)
		}
		r := bytes.NewReader(stream)
		var head [frameHead]byte
		for _, want := range sent {
			if got, err := readFrame(r, &head); err != nil || !reflect.DeepEqual(got, want) {
				rt.Fatalf("frame %+v came back as %+v, %v", want, got, err)
			}
		}
		if _, err := readFrame(r, &head); !errors.Is(err, io.EOF) {
			rt.Fatalf("after the last frame: %v", err)
		}
	})
}

func TestBadFramesAreRefused(t *testing.T) {
	good := frame{id: 1, kind: frameRequest, body: []byte("hi")}.append(nil)
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], to)
		return b
	}
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"kind 0", change(12, 0), errFrame},
		{"kind of a later version", change(12, 7), errFrame},
		{"shorter than its head", change(0, 0, 0, 0, 13), errFrame},
		{"one byte over the bound", change(0, 0x00, 0x40, 0x00, 0x0f), errFrame},
		{"huge", change(0, 0xff, 0xff, 0xff, 0xff), errFrame},
		{"ends in the head", good[:10], io.ErrUnexpectedEOF},
		{"ends before the body", good[:frameHead], io.ErrUnexpectedEOF},
		{"ends in the body", good[:frameHead+1], io.ErrUnexpectedEOF},
		{"nothing", nil, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var head [frameHead]byte
			if f, err := readFrame(bytes.NewReader(tt.in), &head); !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v", f, err)
			}
		})
	}
}

func FuzzPreamble(f *testing.F) {
	f.Add(preamble{min: 1, max: 1, kind: Call, member: "7f"}.encode())
	f.Add(preamble{min: 1, max: 255, kind: Gossip, cluster: [16]byte{1}, member: strings.Repeat("m", maxMember)}.encode())
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		b, err := readBlock(r)
		if err != nil {
			return
		}
		p, err := decodePreamble(b)
		if err != nil {
			return
		}
		again := p.encode()
		if read := in[:len(in)-r.Len()]; !bytes.HasPrefix(read[6:], again[6:]) {
			t.Errorf("%x decodes to %+v, which encodes to %x", read, p, again)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(answer{version: 1, member: "7f"}.encode())
	f.Add(answer{verdict: RefusedCluster, version: 1, member: "7f", detail: "other cluster"}.encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := readBlock(bytes.NewReader(in))
		if err != nil {
			return
		}
		a, err := decodeAnswer(b)
		if err != nil {
			return
		}
		if again := a.encode(); !bytes.HasPrefix(b, again[6:]) {
			t.Errorf("%x decodes to %+v, which encodes to %x", b, a, again)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(frame{id: 1, kind: frameRequest, sub: 2, arg: 1000, body: []byte("hi")}.append(nil))
	f.Add(frame{id: 2, kind: frameAnswer}.append(frame{kind: framePing}.append(nil)))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		var head [frameHead]byte
		var again []byte
		for {
			fr, err := readFrame(r, &head)
			if err != nil {
				break
			}
			again = fr.append(again)
		}
		if !bytes.HasPrefix(in, again) {
			t.Errorf("read %x from %x", again, in)
		}
	})
}
