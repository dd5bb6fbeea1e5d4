package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A power cut loses what a file system has not yet given to its disk. Here the
// disk is an image: while all members stand still it is copied, and the copies
// are what they find when they start again. Writing back goes on beside the
// copying, so what is lost and in which order is the kernel's choice.
//
// To a member the machine has then started anew, so it sees another boot id.

func (f *Fleet) image(m *member) string { return filepath.Join(f.cfg.Dir, m.name+".image") }

func (f *Fleet) newImage(ctx context.Context, m *member) error {
	image := f.image(m)
	file, err := os.Create(image)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	if err := os.Truncate(image, f.cfg.Image); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	if err := run(ctx, "mkfs.ext4", "-q", image); err != nil {
		return err
	}
	return f.mountImage(ctx, m)
}

func (f *Fleet) mountImage(ctx context.Context, m *member) error {
	if err := run(ctx, "mount", "-t", "ext4", "-o", "loop,noatime", f.image(m), m.dir); err != nil {
		return err
	}
	m.mounted = true
	return nil
}

// PowerCut ends all members at once, and with them all that their disks have not
// been given. It needs Config.Image.
func (f *Fleet) PowerCut(ctx context.Context) error {
	if f.cfg.Image == 0 {
		return errors.New("fleet: without images no power can be cut")
	}
	for i, m := range f.members {
		if m.process == nil {
			continue
		}
		if err := f.Freeze(i); err != nil {
			return err
		}
	}
	for _, m := range f.members {
		if err := run(ctx, "cp", "--sparse=always", f.image(m), f.image(m)+".cut"); err != nil {
			return err
		}
	}
	for i, m := range f.members {
		if err := f.Kill(i); err != nil {
			return err
		}
		if err := m.unmount(); err != nil {
			return err
		}
		if err := os.Rename(f.image(m)+".cut", f.image(m)); err != nil {
			return fmt.Errorf("fleet: %w", err)
		}
		if err := f.mountImage(ctx, m); err != nil {
			return err
		}
	}
	f.boots++
	id := fmt.Sprintf("5050501e-0000-4000-8000-%012d\n", f.boots)
	if err := os.WriteFile(f.bootID(), []byte(id), 0o600); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	return nil
}

func (f *Fleet) bootID() string { return filepath.Join(f.cfg.Dir, "boot_id") }

// booted is the command of a member on the machine as it was started last. The
// shell becomes the program, so the process is still the member's.
func (f *Fleet) booted(program string, args []string) (string, []string) {
	if f.boots == 0 {
		return program, args
	}
	const script = `mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"`
	return "unshare", append([]string{"-m", "sh", "-c", script, "sh", f.bootID(), program}, args...)
}

// run runs a program that ends by itself.
func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil { //nolint:gosec // our own arguments
		return fmt.Errorf("fleet: %s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
