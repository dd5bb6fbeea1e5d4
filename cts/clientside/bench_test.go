package clientside

import (
	"testing"

	"sojourn/actors/realm"
)

// What a token costs, for each pair of algorithms.
//
//	go test ./cts/clientside -run '^$' -bench .
func BenchmarkToken(b *testing.B) {
	c := codec(b, allKeys(b))
	for _, how := range settings() {
		if how.Compression && (how.Signing != realm.HS256 || how.Encryption != realm.Direct) {
			continue
		}
		text, err := c.Seal(Session, how, sample(Session))
		if err != nil {
			b.Fatal(err)
		}
		b.Run("Seal/"+label(how), func(b *testing.B) {
			b.ReportAllocs()
			content := sample(Session)
			for b.Loop() {
				if _, err := c.Seal(Session, how, content); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(text)), "B/token")
		})
		b.Run("Open/"+label(how), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Open(Session, text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
