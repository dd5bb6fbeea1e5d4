package realm

// Quota bounds the live sessions of one user (am-contract section 5.2).
// Client-side sessions are not counted.
type Quota struct {
	// Limit is how many there may be, the new one included; zero is no limit.
	Limit  int
	Action QuotaAction
}

// QuotaAction is what happens when a new session would be one too many.
type QuotaAction byte

// The actions, AM's four. The first is AM's default.
const (
	DestroyNextExpiring QuotaAction = iota // end those that would end first
	DestroyOldest                          // end those that were created first
	DestroyAllOld                          // end all others
	DenyAccess                             // make no new one
)
