package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sojourn/cmd/internal/bench"
	"sojourn/http/client"
	"sojourn/http/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"login": login,
		"sojourn": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(Main(ctx, Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ()}, os.Args[1:]))
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else the race detector makes every command a second longer
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mode":    checkMode,
			"member":  func(ts *testscript.TestScript, _ bool, args []string) { startMember(t, ts, args) },
			"cluster": func(ts *testscript.TestScript, _ bool, args []string) { startCluster(ts, args) },
			"save":    save,
		},
	})
}

// checkMode is "mode FILE -rw-------": whether a file's permissions are these.
func checkMode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := info.Mode().Perm().String(); (got == args[1]) == neg {
		ts.Fatalf("%s has mode %s", args[0], got)
	}
}

// startMember is "member FLAG...": it runs "sojourn serve --dev" with a secret
// and a data folder of the script's until the script ends, and tells commands
// of it by SOJOURN_SERVER, SOJOURN_SECRET_FILE, and PASSWORD for the user demo.
func startMember(t *testing.T, ts *testscript.TestScript, args []string) {
	t.Helper()
	program := ""
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if file := filepath.Join(dir, "sojourn"); program == "" {
			if _, err := os.Stat(file); err == nil {
				program = file
			}
		}
	}
	secretFile := ts.MkAbs("member-secret")
	if _, err := os.Stat(secretFile); err != nil {
		f, err := os.Open("/dev/urandom")
		ts.Check(err)
		ts.Check(writeSecret(secretFile, f))
		ts.Check(f.Close())
	}
	args = append([]string{"serve", "--dev", "--http", "127.0.0.1:0", "--data", ts.MkAbs("member-data"), "--secret", secretFile}, args...)
	c, err := bench.Spawn(context.WithoutCancel(t.Context()), t.Output(), program, args...)
	ts.Check(err)
	ts.Defer(func() { ts.Check(c.Close()) })
	ts.Setenv("SOJOURN_SERVER", "http://"+c.HTTP+"/am")
	ts.Setenv("SOJOURN_SECRET_FILE", secretFile)
	ts.Setenv("PASSWORD", string(c.Password))
	ts.Setenv("ADDR", c.HTTP)
}

// login is "login USER PASSWORD": it logs in to the script's member and prints
// the token, or fails.
func login() {
	c, err := client.New(client.Config{Base: os.Getenv("SOJOURN_SERVER")})
	if err == nil {
		user, password := os.Args[1], wire.Password(os.Args[2])
		var done wire.Success
		done, err = c.Login(context.Background(), client.Journey{Tree: "Login"}, client.Credentials(user, password))
		fmt.Println(string(done.TokenID))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// save is "save NAME": the last standard output, trimmed, as a variable.
func save(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}
