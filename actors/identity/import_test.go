package identity

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// collect reads an import to its end.
func collect(r io.Reader) (users []Identity, faults []error) {
	for i, err := range ReadImport(r) {
		if err != nil {
			faults = append(faults, err)
			continue
		}
		users = append(users, i)
	}
	return users, faults
}

const importHash = "$2b$04$/1VrAhmx/biF92qmqeg4tOXfqi/wpebWoxxlLz07QZOjyRT0pH80u"

func TestReadImport(t *testing.T) {
	demo := Identity{
		Name:       "demo",
		Attributes: map[string][]string{"mail": {"demo@example.com"}, "cn": {"Demo", "D. User"}},
		Hash:       importHash,
		Status:     Inactive,
	}
	ann := Identity{Name: "ann"}
	const demoLine = `{"name":"demo","attributes":{"mail":"demo@example.com","cn":["Demo","D. User"]},"hash":"` +
		importHash + `","status":"inactive"}`
	idm := Identity{
		Name:       "bjensen",
		Attributes: map[string][]string{"mail": {"b@example.com"}, "givenName": {"Babs"}, "sn": {"Jensen"}, "loginCount": {"7"}},
		Hash:       importHash,
		Status:     Active,
	}
	const idmEntry = `{"_id":"0f2c6f6a","_rev":"3","userName":"bjensen","mail":"b@example.com","givenName":"Babs",
		"sn":"Jensen","password":"` + importHash + `","accountStatus":"active","preferences":{"updates":true},
		"kbaInfo":[{"q":1}],"effectiveRoles":[],"telephoneNumber":null,"loginCount":7}`
	am := Identity{
		Name:       "scarter",
		Attributes: map[string][]string{"uid": {"scarter"}, "mail": {"s@example.com"}},
		Hash:       "{PBKDF2-HMAC-SHA256}10:Avh5uVkkvXfQ5rgLVNFi0OPrDvWJi1+AcbtFuz5HRL2H5fi8P88O5+ZRHDkXLGzM",
		Status:     Active,
	}
	const amEntry = `{"_id":"scarter","_rev":"1","username":"scarter","realm":"/alpha","uid":["scarter"],
		"userPassword":["{PBKDF2-HMAC-SHA256}10:Avh5uVkkvXfQ5rgLVNFi0OPrDvWJi1+AcbtFuz5HRL2H5fi8P88O5+ZRHDkXLGzM"],
		"inetUserStatus":["Active"],"mail":["s@example.com"],"dn":["uid=scarter,ou=people"],"objectClass":["top"]}`

	for name, tc := range map[string]struct {
		text string
		want []Identity
	}{
		"nothing":            {"", nil},
		"blanks":             {" \n\t\n", nil},
		"lines":              {demoLine + "\n" + `{"name":"ann"}` + "\n", []Identity{demo, ann}},
		"blank lines":        {"\n\n" + demoLine + "\r\n\r\n" + `{"name":"ann"}`, []Identity{demo, ann}},
		"byte order mark":    {"\xef\xbb\xbf" + `{"name":"ann"}`, []Identity{ann}},
		"entry over lines":   {idmEntry + idmEntry, []Identity{idm, idm}},
		"array":              {"[" + demoLine + "," + idmEntry + "]\n", []Identity{demo, idm}},
		"empty array":        {"[]", nil},
		"answer of AM":       {`{"result":[` + amEntry + `],"resultCount":1,"pagedResultsCookie":null}`, []Identity{am}},
		"result comes later": {`{"resultCount":1,"result":[` + idmEntry + `]}`, []Identity{idm}},
		"empty answer":       {`{"result":[]}`, nil},
		"API, directory":     {`{"username":["ann"],"_hash":"` + importHash + `","INETUSERSTATUS":"Inactive","ObjectClass":["x"],"_admin":true}`, []Identity{{Name: "ann", Hash: importHash, Status: Inactive}}},
		"lower case":         {`{"uid":["ann"],"userpassword":["` + importHash + `"]}`, []Identity{{Name: "ann", Hash: importHash, Attributes: map[string][]string{"uid": {"ann"}}}}},
		"no password":        {`{"userName":"ann","password":null,"accountStatus":""}`, []Identity{ann}},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, r := range map[string]io.Reader{
				"whole": strings.NewReader(tc.text), "byte by byte": iotest.OneByteReader(strings.NewReader(tc.text)),
			} {
				got, faults := collect(r)
				if len(faults) > 0 {
					t.Fatalf("%s: faults %v", kind, faults)
				}
				if !reflect.DeepEqual(got, tc.want) {
					t.Fatalf("%s:\n got %+v\nwant %+v", kind, got, tc.want)
				}
			}
		})
	}
}

func TestReadImportFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		text        string
		entry, line int
		says        string
		users       int
	}{
		"bad name":           {`{"name":"a,b"}`, 1, 1, "not a user name", 0},
		"no name":            {`{"mail":"x@example.com"}`, 1, 1, "no name", 0},
		"goes on":            {"{\"name\":\"ann\"}\n{\"name\":\"\"}\n{\"name\":\"bob\"}", 2, 2, "it is empty", 2},
		"member twice":       {`{"name":"ann","name":"bob"}`, 1, 1, `"name" comes twice`, 0},
		"attribute twice":    {`{"name":"ann","attributes":{"a":"1","a":"2"}}`, 1, 1, "each name once", 0},
		"unknown member":     {`{"name":"ann","admin":true}`, 1, 1, `"admin" is not known`, 0},
		"attribute object":   {`{"name":"ann","attributes":{"a":{}}}`, 1, 1, "a text or a list", 0},
		"clear, lower case":  {`{"userName":"ann","userpassword":"hunter2"}`, 1, 1, "in clear", 0},
		"password in clear":  {`{"userName":"ann","password":"hunter2"}`, 1, 1, "in clear", 0},
		"hash without cost":  {`{"userName":"ann","userPassword":"{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="}`, 1, 1, "no work factor", 0},
		"hash that costs":    {`{"name":"ann","hash":"` + strings.Replace(importHash, "$04$", "$31$", 1) + `"}`, 1, 1, "costs too much", 0},
		"encrypted password": {`{"userName":"ann","password":{"$crypto":{"type":"x-simple-encryption"}}}`, 1, 1, "$crypto", 0},
		"two passwords":      {`{"userName":"ann","password":"` + importHash + `","userPassword":"$2b$05$qp/5fz4yytnv2MKOnPNyp.PqECnWOM9zw6B/5cuXGedyp75fUu/LO"}`, 1, 1, "another password", 0},
		"two statuses":       {`{"userName":"ann","accountStatus":"active","inetUserStatus":"Inactive"}`, 1, 1, "another status", 0},
		"strange status":     {`{"name":"ann","status":"sleeping"}`, 1, 1, "neither active nor inactive", 0},
		"two names":          {`{"username":["a","b"]}`, 1, 1, "want one text", 0},
		"entry is a number":  {`[{"name":"ann"},` + "\n" + `7]`, 2, 2, "JSON object", 1},
		"cut in an entry":    {"{\"name\":\"ann\"}\n{\"name\":", 2, 2, "unexpected EOF", 1},
		"cut in an array":    {`[{"name":"ann"}`, 2, 1, "unexpected EOF", 1},
		"cut in an answer":   {`{"result":[{"name":"ann"}]`, 2, 1, "unexpected EOF", 1},
		"two documents":      {"[{\"name\":\"ann\"}]\n[]", 2, 2, "after the end", 1},
		"not JSON":           {"name,mail\nann,x", 1, 1, "want users", 0},
		"number":             {"17", 1, 1, "want users", 0},
		"answer without":     {`{"resultCount":0}`, 1, 1, "want users", 0},
		"result is no list":  {`{"result":{}}`, 1, 1, "want users", 0},
		"broken line":        {"{\"name\":\"ann\"}\nxx", 2, 2, "invalid character", 1},
		"endless entry":      {`{"name":"ann","attributes":{"a":"` + strings.Repeat("x", 2*MaxImportEntry) + `"}}`, 1, 1, "longer than", 0},
		"endless blanks":     {strings.Repeat(" ", 2*MaxImportEntry) + `{"name":"ann"}`, 1, 1, "longer than", 0},
	} {
		t.Run(name, func(t *testing.T) {
			users, faults := collect(strings.NewReader(tc.text))
			if len(faults) != 1 || len(users) != tc.users {
				t.Fatalf("%d users, faults %v", len(users), faults)
			}
			var fault *ImportError
			if !errors.As(faults[0], &fault) || fault.Entry != tc.entry || fault.Line != tc.line {
				t.Fatalf("fault %v, want entry %d, line %d", faults[0], tc.entry, tc.line)
			}
			text := faults[0].Error()
			if fault.Last != strings.HasSuffix(text, "; nothing behind it was read") || fault.Last && fault.Entry != tc.users+1 {
				t.Fatalf("says %q, and that it is the last: %t", text, fault.Last)
			}
			if !strings.Contains(text, tc.says) || strings.Contains(text, "hunter2") {
				t.Fatalf("says %q, want %q", text, tc.says)
			}
		})
	}
}

func TestReadImportStopsWhenTold(t *testing.T) {
	for name, text := range map[string]string{
		"lines":  `{"name":"ann"}{"name":"bob"}`,
		"array":  `[{"name":"ann"},{"name":"bob"}]`,
		"answer": `{"result":[{"name":"ann"},{"name":"bob"}]}`,
		"faults": `{"name":""}{"name":""}`,
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			for range ReadImport(strings.NewReader(text)) {
				n++
				break
			}
			if n != 1 {
				t.Fatalf("%d entries", n)
			}
		})
	}
}

func TestReadImportReaderFails(t *testing.T) {
	broken := errors.New("disk on fire")
	r := io.MultiReader(strings.NewReader(`{"name":"ann"}`+"\n"), iotest.ErrReader(broken))
	users, faults := collect(r)
	if len(users) != 1 || len(faults) != 1 || !errors.Is(faults[0], broken) {
		t.Fatalf("users %v, faults %v", users, faults)
	}
}

// endless gives users as long as somebody reads, and counts what was read.
type endless struct{ n, read int }

func (e *endless) Read(p []byte) (int, error) {
	e.n++
	line := fmt.Sprintf("{\"name\":\"user%d\"}\n", e.n)
	if len(line) > len(p) {
		return 0, io.ErrShortBuffer
	}
	e.read += copy(p, line)
	return len(line), nil
}

func TestReadImportStreams(t *testing.T) {
	var source endless
	n := 0
	for i, err := range ReadImport(&source) {
		if err != nil || i.Name == "" {
			t.Fatalf("user %d: %+v, %v", n, i, err)
		}
		if n++; n == 5000 {
			break
		}
	}
	if ahead := source.n - n; ahead > 5000 {
		t.Fatalf("read %d users ahead", ahead)
	}
}

func FuzzReadImport(f *testing.F) {
	for _, text := range []string{
		`{"name":"demo","attributes":{"mail":["x"]},"hash":"` + importHash + `","status":"active"}`,
		`[{"userName":"b","password":null},{"username":["u"],"inetUserStatus":["Active"],"x":[1,true,null]}]`,
		`{"result":[{"_id":"a"}],"resultCount":1}`, `{"resultCount": 1 , "result" : [ { "name" : "a" } ] } `,
		"\xef\xbb\xbf{\"name\":\"\"}\n", "[", "{}", `{"name": 1}`, "", `{"a":[[]]}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		users, faults := collect(iotest.HalfReader(strings.NewReader(text)))
		for _, i := range users {
			if CheckName(i.Name) != nil || i.Hash != "" && Check(i.Hash) != nil || i.Admin || i.Realm != "" {
				t.Fatalf("let through %+v", i)
			}
			if i.Status != "" && i.Status != Active && i.Status != Inactive {
				t.Fatalf("status %q", i.Status)
			}
		}
		entry := 0
		for _, err := range faults {
			var fault *ImportError
			if !errors.As(err, &fault) || fault.Entry < entry || fault.Line < 1 || fault.Line > 1+strings.Count(text, "\n") {
				t.Fatalf("fault %v", err)
			}
			entry = fault.Entry
		}
	})
}
