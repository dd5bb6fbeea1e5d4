package wire

import (
	"bytes"
	"encoding/json"
	"hash/fnv"
	"strconv"
)

// Page is the envelope of every list that the API answers with.
type Page struct {
	Result []json.RawMessage `json:"result"`
	// ResultCount is the number of results in this page.
	ResultCount int `json:"resultCount"`
	// PagedResultsCookie asks for the next page; nil at the last one.
	PagedResultsCookie *string `json:"pagedResultsCookie"`
	// TotalPagedResultsPolicy is "NONE" and both counts are -1: totals are not
	// counted.
	TotalPagedResultsPolicy string `json:"totalPagedResultsPolicy"`
	TotalPagedResults       int    `json:"totalPagedResults"`
	RemainingPagedResults   int    `json:"remainingPagedResults"`
}

// AppendPage appends the envelope around n results; appendResult appends one.
// An empty cookie marks the last page.
func AppendPage(b []byte, n int, cookie string, appendResult func(b []byte, i int) []byte) []byte {
	b = append(b, `{"result":[`...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendResult(b, i)
	}
	b = append(b, `],"resultCount":`...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, `,"pagedResultsCookie":`...)
	if cookie == "" {
		b = append(b, "null"...)
	} else {
		b = AppendString(b, cookie)
	}
	return append(b, `,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`...)
}

// Marshal is json.Marshal without the escapes for HTML, which AM's JSON does
// not have.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Rev is the revision of something that has none of its own: a decimal number
// made of its text, as AM shows it.
func Rev(text []byte) string {
	h := fnv.New64a()
	_, _ = h.Write(text)
	return strconv.FormatUint(h.Sum64()>>1, 10)
}
