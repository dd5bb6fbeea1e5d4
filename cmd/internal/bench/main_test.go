package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	switch os.Getenv("BENCH_CHILD") {
	case "ready":
		fmt.Println("{\"event\":\"listening\",\"cluster\":\"127.0.0.1:2\"}\nnot JSON\n{\"event\":\"ready\",\"http\":\"127.0.0.1:1\",\"user\":\"demo\"}")
		_, _ = io.Copy(io.Discard, os.Stdin)
		select {}
	case "mute":
		os.Exit(3)
	}
	goleak.VerifyTestMain(m)
}

// am answers as a member would, with one user, and counts what it is asked.
type am struct {
	instead func(r *http.Request) string // a body to answer with instead; empty: the right one
}

const (
	pageBody  = `[{"type":"NameCallback","output":[{"name":"prompt","value":"User Name"}],"input":[{"name":"IDToken1","value":""}],"_id":0},{"type":"PasswordCallback","output":[{"name":"prompt","value":"Password"}],"input":[{"name":"IDToken2","value":""}],"_id":1}]`
	loginBody = `{"tokenId":"tok","successUrl":"/am/console","realm":"/"}`
)

func (a am) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if a.instead != nil {
		if body := a.instead(r); body != "" {
			_, _ = io.WriteString(w, body)
			return
		}
	}
	body, _ := io.ReadAll(r.Body)
	var in struct {
		AuthID    string `json:"authId"`
		TokenID   string `json:"tokenId"`
		Callbacks []struct {
			Input []struct{ Value any } `json:"input"`
		} `json:"callbacks"`
	}
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	switch {
	case r.URL.Query().Get("authIndexValue") == loopName:
		a.loop(w, in.AuthID, body)
	case strings.Contains(r.URL.Path, "/sessions/"):
		_, _ = fmt.Fprintf(w, `{"valid":%v,"sessionUid":"u","uid":"demo","realm":"/"}`, in.TokenID == "tok")
	case r.Header.Get("X-OpenAM-Username") == "demo" && r.Header.Get("X-OpenAM-Password") == "pw":
		_, _ = io.WriteString(w, loginBody)
	case in.AuthID == "":
		_, _ = io.WriteString(w, `{"authId":"a.b.c","callbacks":`+pageBody+`}`)
	case in.AuthID == "a.b.c" && in.Callbacks[0].Input[0].Value == "demo" && in.Callbacks[1].Input[0].Value == "pw":
		_, _ = io.WriteString(w, loginBody)
	default:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"code":401,"reason":"Unauthorized","message":"Login failure"}`)
	}
}

const loopName = "Loop"

// loopPages are the callbacks of that journey's pages, filled where bench is to
// fill them.
func loopPages() [3]string {
	return [...]string{
		`[{"_id":0,"input":[{"name":"IDToken1","value":"bench"}],"output":[],"type":"NameCallback"}]`,
		`[{"_id":1,"input":[{"name":"IDToken1","value":0}],"output":[],"type":"ChoiceCallback"}]`,
		`[{"_id":2,"output":[],"type":"TextOutputCallback"},{"_id":3,"input":[{"name":"IDToken2","value":0}],"output":[],"type":"ConfirmationCallback"}]`,
	}
}

// loop answers with the next page of a journey without end. Its authId tells
// how many were answered.
func (a am) loop(w io.Writer, authID string, body []byte) {
	pages, at := loopPages(), 0
	if authID != "" {
		if _, err := fmt.Sscanf(authID, "loop.%d.c", &at); err != nil || !strings.HasSuffix(string(body), `"callbacks":`+pages[at%len(pages)]+`}`) {
			_, _ = io.WriteString(w, `{"code":400}`)
			return
		}
		at++
	}
	asked := strings.NewReplacer(`"bench"`, `""`, `"value":0`, `"value":9`).Replace(pages[at%len(pages)])
	_, _ = fmt.Fprintf(w, `{"authId":"loop.%d.c","callbacks":%s}`, at, asked)
}

// cluster is members that answer alike; asked gets, for each request in order,
// which member it met. One worker at a time.
func cluster(t *testing.T, members int) (_ Server, asked func() []int) {
	t.Helper()
	var met []int
	all := Server{Path: "/am", Journey: "Login", Loop: loopName}
	for i := range members {
		s := serve(t, am{instead: func(r *http.Request) string {
			met = append(met, i)
			if r.URL.Path == "/" { // an echo's
				return `{"a":1}`
			}
			return ""
		}})
		all.Members = append(all.Members, s.Members...)
	}
	return all, func() []int { return met }
}

func serve(t *testing.T, h http.Handler) Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return Server{Members: []Member{{s.Listener.Addr().String(), os.Getpid()}}, Path: "/am", Journey: "Login", Loop: loopName}
}
