package identity

import "log/slog"

// Hash is a stored password hash in its textual form: "$argon2id$v=19$…",
// "$2b$…", "{PBKDF2-HMAC-SHA256}…" and the like. It prints as [redacted].
type Hash string

func (Hash) String() string       { return redacted }
func (Hash) GoString() string     { return redacted }
func (Hash) LogValue() slog.Value { return slog.StringValue(redacted) }
