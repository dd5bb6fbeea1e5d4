package actors

import (
	"time"

	"sojourn/actors/journey"
)

// Once names one effect of one attempt at a step: the Nth, from zero, that the
// answers with this digest caused at this step of this journey. A step that is
// run again, here or at the member that took the journey over, asks for the
// same effects under the same names, so that one that was acknowledged is not
// done twice. The step of a journey's start is zero.
type Once struct {
	Journey journey.ID
	Step    uint32
	Digest  [16]byte
	N       uint32
	// Until is when the answers stop being ones that anybody takes: the end of
	// the reference that they came with, and so the same each time the step is
	// run.
	Until time.Time
}
