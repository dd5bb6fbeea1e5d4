package session

import (
	"fmt"
	"strings"
	"time"
)

// MaxHolderLife is the longest life of a session that its holder keeps. It
// bounds how long it must be remembered that all such sessions of a user were
// ended: nobody has a list of them.
const MaxHolderLife = 30 * 24 * time.Hour

// KeptByHolder returns the session as one that its holder keeps (am-contract
// section 5.3): it has no idle limit, for nobody notes its accesses, and always a
// longest life, up to its last whole second: what a token says.
func (s Session) KeptByHolder() Session {
	life := s.Policy.MaxSession
	if life <= 0 || life > MaxHolderLife {
		life = MaxHolderLife
	}
	s.ClientSide = true
	s.Created = s.Created.Truncate(time.Microsecond).UTC()
	s.LastAccess = s.Created
	end := s.Created.Add(max(life, time.Second)).Truncate(time.Second)
	s.Policy = Policy{MaxSession: end.Sub(s.Created)}
	return s
}

// Denial is what denies the session.
func (s Session) Denial() Denial { return Denial{ID: s.ID, Until: s.MaxExpires()} }

// SizeError says that a session is too large to be kept by its holder.
type SizeError struct {
	// Size of the token and its Limit, in bytes; Size is zero when it has not
	// been made because it would be far larger.
	Size, Limit int
	// Largest names the properties that take most of it.
	Largest []string
}

func (e *SizeError) Error() string {
	size := "far more"
	if e.Size > 0 {
		size = fmt.Sprint(e.Size)
	}
	return fmt.Sprintf("a token of %s bytes, at most %d fit into a cookie; the largest session properties are %s: "+
		"set fewer, or keep the realm's sessions in the token store", size, e.Limit, strings.Join(e.Largest, ", "))
}

// Cause says why a session ends or changes and who wants that, for the audit.
type Cause struct {
	// Reason is zero for a change.
	Reason Reason
	// By is the universal id of whoever asked, "operator" for the bearer of the
	// operator's token; empty when it was the cluster itself.
	By string
}
