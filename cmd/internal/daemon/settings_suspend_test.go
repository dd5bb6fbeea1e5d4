package daemon

import (
	"bufio"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sojourn/actors/realm"
)

// postbox is a mail server that takes every mail.
type postbox struct {
	listener net.Listener
	mails    chan string
	open     sync.WaitGroup
}

func newPostbox(t *testing.T) *postbox {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postbox{listener: listener, mails: make(chan string, 100)}
	p.open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.open.Go(func() { p.take(conn) })
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		p.open.Wait()
	})
	return p
}

func (p *postbox) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// take speaks as much SMTP as a client needs.
func (p *postbox) take(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewScanner(conn)
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	say("220 ready")
	for in.Scan() {
		switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
		case "DATA":
			say("354 go on")
			var data strings.Builder
			for in.Scan() && in.Text() != "." {
				data.WriteString(in.Text() + "\r\n")
			}
			p.mails <- data.String()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// link is that of the next mail.
func (p *postbox) link(t *testing.T) *url.URL {
	t.Helper()
	mail := <-p.mails
	_, text, _ := strings.Cut(mail, "\r\n\r\n")
	if strings.Contains(strings.ToLower(mail), "quoted-printable") {
		plain, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		text = string(plain)
	}
	at, err := url.Parse(strings.ReplaceAll(regexp.MustCompile(`https?://[^\s"<]+`).FindString(text), "&amp;", "&"))
	if err != nil || at.Query().Get("suspendedId") == "" {
		t.Fatalf("no link in %s", mail)
	}
	return at
}

const suspending = "5e771265-0000-4000-8000-000000000003"

// suspend runs a journey until it has mailed a link to the demo user.
func (s *site) suspend() (link *url.URL, a answered) {
	s.t.Helper()
	path := below + "/realm-config/emailTemplates/resume"
	template := s.do(http.MethodPut, path,
		`{"enabled":true,"from":"a@example.com","mimeType":"text/plain","subject":{"en":"Go on"},"message":{"en":"{{object.resumeURI}}"},"defaultLocale":"en"}`, s.operator()...)
	if template.status != http.StatusOK && template.status != http.StatusCreated {
		s.t.Fatalf("%d %s", template.status, template.text)
	}
	s.node(anyone, "UsernameCollectorNode", "{}")
	s.node(suspending, "EmailSuspendNode", `{"emailTemplateName":"resume","emailAttribute":"mail","objectLookup":true,"identityAttribute":"userName","emailSuspendMessage":{"en":"Look"}}`)
	s.tree("Suspending", `{"entryNodeId":"`+anyone+`","nodes":{"`+anyone+`":{"nodeType":"UsernameCollectorNode","displayName":"Name","connections":{"outcome":"`+suspending+`"}},`+
		`"`+suspending+`":{"nodeType":"EmailSuspendNode","displayName":"Mail","connections":{"outcome":"`+success+`"}}}}`)
	a = s.begin("Suspending", "X-OpenAM-Username", s.demo.User)
	if a.status != http.StatusOK || !strings.Contains(a.text, "SuspendedTextOutputCallback") {
		s.t.Fatalf("%d %s", a.status, a.text)
	}
	return s.mails.link(s.t), a
}

// resume goes on by a link.
func (s *site) resume(link *url.URL, headers ...string) answered {
	s.t.Helper()
	return s.do(http.MethodPost, below+"/authenticate?suspendedId="+url.QueryEscape(link.Query().Get("suspendedId")), "", headers...)
}

func suspendEffects() map[string]func(*testing.T, *site) {
	const here = `{"journeys":{"resumeElsewhere":false}}`
	return map[string]func(*testing.T, *site){
		"authentication trees.suspendedAuthenticationTimeout": func(t *testing.T, s *site) {
			s.set(realm.DocumentSojourn, here) // its cookie ends with the suspension
			for _, minutes := range []int{2, 4} {
				s.set(realm.DocumentAuthentication, fmt.Sprintf(`{"trees":{"suspendedAuthenticationTimeout":%d}}`, minutes))
				_, a := s.suspend()
				cookie := a.cookie("sojourn-resume-")
				_, rest, _ := strings.Cut(cookie, "Max-Age=")
				age, _, _ := strings.Cut(rest, ";")
				if seconds, err := strconv.Atoi(age); err != nil || seconds > minutes*60 || seconds < minutes*60-20 {
					t.Errorf("%d minutes: %s", minutes, cookie)
				}
			}
		},
		"authentication general.externalLoginPageUrl": func(t *testing.T, s *site) {
			if link, _ := s.suspend(); !strings.HasPrefix(link.String(), "https://login.example.com/am/") {
				t.Errorf("of the process: %s", link)
			}
			s.set(realm.DocumentAuthentication, `{"general":{"externalLoginPageUrl":"https://ours.example.com/login"}}`)
			if link, _ := s.suspend(); !strings.HasPrefix(link.String(), "https://ours.example.com/login?") {
				t.Errorf("of the realm: %s", link)
			}
		},
		"sojourn journeys.resumeElsewhere": func(t *testing.T, s *site) {
			link, _ := s.suspend()
			if a := s.resume(link); a.status != http.StatusOK || a.member(t, "tokenId") == "" {
				t.Errorf("elsewhere: %d %s", a.status, a.text)
			}
			s.set(realm.DocumentSojourn, here)
			link, a := s.suspend()
			proof, _, _ := strings.Cut(a.cookie("sojourn-resume-"), ";")
			if a := s.resume(link); a.status != http.StatusUnauthorized {
				t.Errorf("elsewhere, though it may not: %d %s", a.status, a.text)
			}
			if a := s.resume(link, "Cookie", proof); a.status != http.StatusOK || a.member(t, "tokenId") == "" {
				t.Errorf("here: %d %s", a.status, a.text)
			}
		},
	}
}
