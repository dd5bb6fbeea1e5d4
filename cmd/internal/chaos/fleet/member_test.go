package fleet

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// memberEnv makes the test's own binary play a member.
const memberEnv = "FLEET_TEST_MEMBER"

func TestMain(m *testing.M) {
	if os.Getenv(memberEnv) != "" {
		if err := play(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// play is a member as far as a fleet can tell. Over HTTP it tells its arguments,
// counts datagrams on its cluster port, and sends one to another. A file in its
// folder that was damaged stops its start.
func play(args []string) error {
	flags := map[string]string{}
	for i := 1; i+1 < len(args); i += 2 {
		flags[args[i]] = args[i+1]
	}
	file := filepath.Join(flags["--data"], "state")
	if err := os.MkdirAll(flags["--data"], 0o700); err != nil {
		return err
	}
	switch old, err := os.ReadFile(file); {
	case err != nil:
		if err := os.WriteFile(file, []byte("sound"), 0o600); err != nil {
			return err
		}
	case string(old) != "sound":
		return fmt.Errorf("%s is damaged", file)
	}
	listener, err := net.Listen("tcp", flags["--http"])
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", flags["--cluster"])
	if err != nil {
		return err
	}
	var heard atomic.Int64
	go func() {
		for b := make([]byte, 100); ; heard.Add(1) {
			if _, _, err := packets.ReadFrom(b); err != nil {
				return
			}
		}
	}()
	say := func(event string) {
		_ = json.NewEncoder(os.Stdout).Encode(map[string]string{
			"event": event, "name": flags["--name"], "http": listener.Addr().String(), "cluster": packets.LocalAddr().String(),
		})
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	say("listening")
	if flags["--ready"] != "never" {
		say("ready")
	}
	http.HandleFunc("/am/args", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(args, " ")) })
	http.HandleFunc("/am/heard", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, heard.Load()) })
	http.HandleFunc("/am/write", func(w http.ResponseWriter, _ *http.Request) {
		err := os.WriteFile(filepath.Join(flags["--data"], "more"), make([]byte, 1<<20), 0o600)
		fmt.Fprint(w, err)
	})
	http.HandleFunc("/am/sync", func(w http.ResponseWriter, _ *http.Request) {
		out, err := exec.Command("sync", file).CombinedOutput()
		fmt.Fprint(w, string(out), err)
	})
	http.HandleFunc("/am/kept", func(w http.ResponseWriter, _ *http.Request) {
		sound, err := os.ReadFile(file)
		more, _ := os.ReadFile(filepath.Join(flags["--data"], "more"))
		fmt.Fprintf(w, "%s, %d, %v", sound, len(more), err)
	})
	http.HandleFunc("/am/boot", func(w http.ResponseWriter, _ *http.Request) {
		id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		fmt.Fprint(w, string(id), err)
	})
	http.HandleFunc("/am/send", func(w http.ResponseWriter, r *http.Request) {
		to, err := net.ResolveUDPAddr("udp", r.FormValue("to"))
		if err == nil {
			_, err = packets.WriteTo([]byte("hello"), to)
		}
		fmt.Fprint(w, err)
	})
	http.HandleFunc("/am/dial", func(w http.ResponseWriter, r *http.Request) {
		conn, err := net.DialTimeout("tcp", r.FormValue("to"), 300*time.Millisecond)
		if err == nil {
			err = conn.Close()
		}
		fmt.Fprint(w, err)
	})
	server := &http.Server{ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	<-end
	fmt.Fprintln(os.Stderr, flags["--name"], "ends in order")
	if slices.Contains(args, "unwilling") {
		return fmt.Errorf("exit with an error")
	}
	return nil
}
