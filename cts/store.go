package cts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/command"
	"sojourn/cts/internal/disk"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/logstore"
	"sojourn/cts/internal/model"
	"sojourn/cts/internal/roster"
	"sojourn/cts/internal/seal"
	"sojourn/cts/session"
)

// retryAfter is what a client is told to wait when the store has no answer.
const retryAfter = time.Second

// openReserve is the free space, in bytes, without which the files are not even
// opened: Badger maps a new table at start, and dies when it cannot fill it.
const openReserve = 48 << 20

// Store is one member's part of the token store. All methods may be called
// concurrently. Sessions, identities and documents that it returns share maps
// and lists with it: they must not be changed.
type Store struct {
	config    Config
	folder    *folder
	boot      string
	guard     *disk.Guard
	log       *logstore.Store
	fsm       *fsm.FSM
	raft      *raft.Raft
	transport *transport
	model     *model.Model
	users     *model.Identities
	denials   atomic.Pointer[model.Denials]
	gate      *gate
	writes    *proposer
	locks     *locks
	points    *fsm.Checkpoints

	leases     *leases
	tombstones tombstones
	// tombstoneCouriers and appliedCouriers carry barriers to other members.
	tombstoneCouriers, appliedCouriers *couriers
	nudging                            atomic.Bool // an entry that moves an idle log on is under way
	leading                            atomic.Bool // this member leads and is up to date
	// leaders rings when another member leads, elected is sent to when this one
	// does, which it does since then (guarded by leases.mu).
	leaders *bell
	elected chan struct{}
	since   time.Duration
	calls   calls // of other members

	founding *founding
	forming  atomic.Bool // founded, and not enough members have joined yet
	// cluster is the id of the cluster, nil until it is known; named is sent to
	// when it may have become so.
	cluster atomic.Pointer[[16]byte]
	named   chan struct{}
	policy  roster.Policy
	// replacing: a snapshot of another member takes the store's place, and nothing
	// can be read until then; only raft's goroutine.
	replacing bool
	// changing is held while the configuration is changed; evicting is the member
	// whose lease is being waited out.
	changing sync.Mutex
	evicting string

	releases releases
	touches  touches
	counts   counts
	restore  sync.Mutex // one at a time
	// revision is the last one given to a document here.
	revision atomic.Uint64

	stop  context.CancelFunc // ends what runs on the side
	ctx   context.Context    //nolint:containedctx // lives as long as the store
	group sync.WaitGroup
	admit chan struct{} // closed: nothing is applied any more
	once  sync.Once
	err   error // of Close
}

// Open is Start and Await.
func Open(ctx context.Context, c Config) (*Store, error) {
	s, err := Start(c)
	if err != nil {
		return nil, err
	}
	if err := s.Await(ctx); err != nil {
		closing := s.Close() //nolint:contextcheck // ctx may have ended already
		return nil, errors.Join(fmt.Errorf("open token store: %w", err), closing)
	}
	return s, nil
}

// Start opens a store and returns at once. Until it is part of a cluster that
// has a leader it answers nothing; Await waits for that. A *DamagedError names a
// file that is not what was written.
func Start(c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open token store: %w", err)
	}
	s, err := open(c)
	if err != nil {
		return nil, fmt.Errorf("open token store: %w", err)
	}
	return s, nil
}

// ID names the store: it is drawn when its data folder is created, and goes with
// it.
func (s *Store) ID() string { return s.folder.format.Member }

// open brings everything up; what is up when it fails is closed again.
func open(c Config) (_ *Store, err error) {
	s := &Store{
		config: c, gate: newGate(), model: model.New(c.HotSessions), users: model.NewIdentities(hotIdentities), locks: newLocks(), admit: make(chan struct{}),
		tombstoneCouriers: newCouriers(), appliedCouriers: newCouriers(),
		leaders: newBell(), elected: make(chan struct{}, 1), named: make(chan struct{}, 1), policy: roster.DefaultPolicy(),
	}
	s.touches.pending = map[session.ID]time.Time{}
	s.ctx, s.stop = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, s.shut())
		}
	}()
	if s.boot, err = c.boot(); err != nil {
		return nil, err
	}
	if s.folder, err = openFolder(c.Dir, c.Key); err != nil {
		return nil, err
	}
	s.guard, err = disk.New(disk.Options{
		Dir: c.Dir, Min: c.DiskMin, Ballast: c.DiskBallast, Free: c.DiskFree, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	if free := s.guard.FreeBytes(); free < openReserve {
		return nil, fmt.Errorf("%d bytes free in %s, at least %d are needed to open it: make room", free, c.Dir, openReserve)
	}
	if err := s.openFiles(); err != nil {
		return nil, err
	}
	if s.founding, err = openFounding(s.folder.path(promiseFile)); err != nil {
		return nil, err
	}
	if err := s.folder.mark(s.boot, false); err != nil {
		return nil, err
	}
	s.leases = newLeases(c.Slow, c.Boottime, s.ID(), s.fsm.Meta().ConfigIndex)
	if err := s.startRaft(); err != nil {
		return nil, err
	}
	s.writes = newProposer(s.raft)
	s.resumeFounding()
	c.Network.Handle(s.handle)
	for _, run := range []func(){s.lead, s.watchLeader, s.nameCluster, s.holdLeases, s.proveLeadership, s.found, s.reconcile} {
		s.group.Go(run)
	}
	s.group.Go(s.watchDisk)
	s.group.Go(s.checkpoint)
	s.group.Go(s.flushTouches)
	s.group.Go(s.sweep)
	return s, nil
}

// openFiles opens log and state and checks that they belong together.
func (s *Store) openFiles() error {
	c := s.config
	var box *seal.Box
	var key, spoolKey []byte
	var err error
	if c.Key != nil {
		if box, err = seal.New(c.Key, "log"); err != nil {
			return err
		}
		if key, err = seal.Derive(c.Key, "state", 32); err != nil {
			return err
		}
		if spoolKey, err = seal.Derive(c.Key, "snapshot", 32); err != nil {
			return err
		}
	}
	if s.points, err = fsm.OpenCheckpoints(c.Dir, spoolKey); err != nil {
		return err
	}
	half, err := s.points.Clean()
	if err == nil && half {
		c.Log.Warn("a snapshot was being installed when the last process ended: installing it again")
		err = os.RemoveAll(s.folder.path(stateDir))
	}
	if err != nil {
		return err
	}
	logPath := s.folder.path(logDir)
	hadLog, err := logstore.HasEntries(logPath)
	if err != nil {
		return fmt.Errorf("look for log: %w", err)
	}
	trust, err := s.folder.trusted(s.boot)
	if err != nil {
		return err
	}
	s.fsm, err = fsm.Open(fsm.Options{
		Dir: s.folder.path(stateDir), Key: key, Log: c.Log, Checkpoints: s.points,
		Admit:      func() bool { return s.guard.Admit(s.admit) },
		Observe:    s.observe,
		Installing: s.installing,
		Failed:     func(err error) { s.gate.fail(fmt.Errorf("the log cannot be applied: %w", err)) },
	})
	if err != nil {
		return err
	}
	newest, err := s.recover(half, trust)
	if err != nil {
		return err
	}
	if err := s.loadDenials(); err != nil {
		return err
	}
	if !hadLog && newest > 0 {
		return &DamagedError{Path: logPath, Err: errors.New("is empty, but the state is not")}
	}
	s.log, err = logstore.Open(logstore.Options{Dir: logPath, Box: box, Log: c.Log, SegmentSize: c.segment})
	if err != nil {
		return err
	}
	end, err := s.log.LastIndex()
	if err != nil {
		return fmt.Errorf("last index of the log: %w", err)
	}
	point := s.points.Last().Index
	if 0 < end && end < point && s.points.Last().Installed {
		// The process ended before raft had dropped what the snapshot replaced.
		if err := s.log.Empty(); err != nil {
			return err
		}
		end = 0
	}
	if 0 < end && end < point {
		// Nothing is lost, but raft could never append to a log with a hole.
		return &DamagedError{Path: logPath, Err: fmt.Errorf("ends at entry %d, but the checkpoint includes entry %d", end, point)}
	}
	if end = max(end, point); end < newest {
		return &DamagedError{Path: logPath, Err: fmt.Errorf("ends at entry %d, but entry %d was applied", end, newest)}
	}
	return s.log.Check(point + 1)
}

// recover makes the state readable and returns the highest index that anything
// in it was written for.
func (s *Store) recover(half, trust bool) (newest uint64, err error) {
	if half {
		return 0, s.fsm.Resume()
	}
	if newest, err = s.fsm.Newest(); err != nil {
		return 0, err
	}
	return newest, s.fsm.Recover(trust)
}

// Await returns when the store answers, or when ctx ends. It also returns when
// the store cannot answer for a reason that only the operator can remove, a full
// disk or an incomplete restore: the store is not Ready then.
func (s *Store) Await(ctx context.Context) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		changed, granted := s.gate.next(), s.leases.changed.next()
		if s.gate.only(restoring) == nil && s.leases.usable() || s.guard.Level() == disk.Full {
			return nil
		}
		if err := s.fsm.Err(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w: %w", context.Cause(ctx), s.Ready())
		case <-changed:
		case <-granted:
		case <-look.C:
		}
	}
}

// Close flushes what is waiting and closes the files. Reads and writes that are
// under way end with an error.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.handOver()
		s.flush()
		s.stop()
		s.calls.end()
		s.group.Wait()
		s.gate.set(ending, "closing")
		s.err = s.shut()
	})
	return s.err
}

// shut closes what is open, in order.
func (s *Store) shut() error {
	s.stop()
	s.calls.end()
	close(s.admit)
	var faults []error
	clean := s.raft != nil && s.fsm.Err() == nil
	if s.raft != nil {
		if clean {
			if err := s.takeCheckpoint(); err != nil { // the next start applies more again
				s.config.Log.Warn("no checkpoint at the end", "err", err)
				clean = false
			}
		}
		down := s.raft.Shutdown()
		s.transport.closePipelines(true)
		faults = append(faults, down.Error())
	}
	if s.writes != nil {
		s.writes.close()
	}
	s.group.Wait()
	if s.log != nil {
		faults = append(faults, s.log.Close())
	}
	if s.fsm != nil {
		clean = clean && s.fsm.Err() == nil
		faults = append(faults, s.fsm.Close())
	}
	if s.folder != nil {
		if clean && errors.Join(faults...) == nil {
			faults = append(faults, s.folder.mark(s.boot, true))
		}
		faults = append(faults, s.folder.close())
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("close token store: %w", err)
	}
	return nil
}

// Ready is nil while the store answers, else the reason why it does not.
func (s *Store) Ready() error {
	// On a full disk a store cannot even start: say so.
	if s.guard.Level() == disk.Full && s.Failure() == nil {
		return unavailable("the disk is full: no writes")
	}
	if err := s.gate.err(); err != nil {
		return err
	}
	if !s.leases.usable() {
		return s.noLease()
	}
	return nil
}

// Failed is closed when the store cannot apply its log any more. It then answers
// nothing and writes nothing until the process is started again, and nor does
// Close make a checkpoint.
func (s *Store) Failed() <-chan struct{} { return s.gate.failed }

// Failure says why the store has Failed; nil when it has not.
func (s *Store) Failure() error {
	if err := s.gate.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Applied is the index of the last log entry whose effect can be read.
func (s *Store) Applied() uint64 { return s.fsm.Applied() }

// do carries a command through the log and returns what it came to. grows says
// that it needs room. term is the one in which the command was decided. release
// is called when nothing of it can happen any more, whatever do returned; it
// may be nil.
func (s *Store) do(ctx context.Context, c command.Command, grows bool, term uint64, release func()) (done, error) {
	p, err := s.begin(c, grows, term, release)
	if err != nil {
		return done{}, err
	}
	return s.writes.wait(ctx, p)
}

// begin is do without the wait.
func (s *Store) begin(c command.Command, grows bool, term uint64, release func()) (*proposal, error) {
	data, err := command.Append(nil, c)
	if err == nil {
		err = s.writable(grows)
	}
	if err == nil && term == 0 {
		err = elsewhere("no leader")
	}
	if err != nil {
		if release != nil {
			release()
		}
		return nil, err
	}
	return s.writes.propose(data, term, release), nil
}

// writable reports whether the store takes a write. Below the minimum of free
// space it takes those that need no room; below half of it, none.
func (s *Store) writable(grows bool) error {
	if err := s.gate.err(); err != nil {
		return err
	}
	return s.room(grows)
}

func (s *Store) room(grows bool) error {
	switch level := s.guard.Level(); {
	case level == disk.Full:
		return unavailable("the disk is full: no writes")
	case level == disk.Low && grows:
		return unavailable("the disk is nearly full: nothing new is stored")
	default:
		return nil
	}
}

// watchDisk looks at the free space each second.
func (s *Store) watchDisk() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		s.guard.Refill()
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			s.guard.Look()
			if s.guard.Level() == disk.Full {
				s.handOver() // another member may have room
			}
		}
	}
}

func (s *Store) spoolPath() string { return filepath.Join(s.config.Dir, spoolFile) }
