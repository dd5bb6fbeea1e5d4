// Package webhook tells others that a session has ended: it calls the webhooks
// that the session's journey has registered (am-contract section 7.7).
//
// Calls are best effort, as in AM: they wait in a queue of bounded length, are
// tried a few times, and are given up. Who is called is an administrator's word,
// and what is sent is partly a user's, so a call is built defensively: the host is
// never made of a session's properties; what is put into URL, body and header
// lines is escaped for its place; redirects are not followed, no proxy of the
// environment is used, and answers are not read. Without being listed by the
// operator no host is called without TLS, nor at an address of this machine or of
// its link, where cloud metadata services live.
package webhook
