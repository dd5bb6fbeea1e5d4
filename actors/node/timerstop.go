package node

import "time"

// timerStop records how long it is since the Timer Start. Without one it
// records nothing. A step that is run again records again, as with a Meter.
type timerStop struct{ key, metric string }

func timerStopType() Type {
	return Type{
		Name:  "TimerStopNode",
		Title: "Timer Stop",
		Properties: []Property{
			startTimeProperty(),
			{Name: "metricKey", Title: "Metric Key", Kind: Text, Required: true},
		},
		Inputs: func(c Config) []string { return []string{c.Text("startTimeProperty")} },
		New: func(c Config) (Node, error) {
			return timerStop{c.Text("startTimeProperty"), c.Text("metricKey")}, nil
		},
	}
}

func (n timerStop) Process(c *Context) (Action, error) {
	started := int64(c.State.Number(n.key))
	if _, measured := c.Result.(Measured); measured || started == 0 {
		return Goto{Next}, nil
	}
	return Do{Measure{Kind: Timer, Key: n.metric, Value: max(c.Now.Sub(time.UnixMilli(started)), 0)}}, nil
}
