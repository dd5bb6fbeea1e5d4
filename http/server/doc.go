// Package server serves handlers over HTTP: a listener with optional TLS, the
// limits that every request meets, an identifier for each, a record of each,
// and an orderly stop.
//
// # What a request meets, in order
//
//  1. The connection cap. At the cap the connection that has been idle longest
//     is closed to make room; with none idle the newcomer is told 503.
//  2. Time and size of the header, by net/http.
//  3. The context path and the mounts below it: the longest prefix wins,
//     handlers see the whole path, nothing is ever redirected, and what matches
//     nothing is AM's 404 in JSON.
//  4. The cap on requests in flight: over it, 503 with Retry-After at once.
//     Mounts marked Essential (health) are not counted. Some of the places are
//     reserved: a handler whose request begins something new asks Begins.
//  5. Limits on the body: its size, and the time it may take to arrive.
//  6. The handler, with a context that ends at the request's deadline. A panic
//     is a bare 500, told to the operator with the request's transaction id.
//
// # Stopping
//
// Run returns after an orderly stop: no connection is accepted any more, idle
// ones are closed, requests in flight have until the drain time to end; then
// their contexts end with ErrServerClosed as the cause and their connections
// are closed.
package server
