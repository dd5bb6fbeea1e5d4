package node

// timerStart notes the time, for a Timer Stop.
type timerStart struct{ key string }

// startTimeProperty names the state key that the two timer nodes share: a time
// in milliseconds since 1970.
func startTimeProperty() Property {
	return Property{
		Name: "startTimeProperty", Title: "Start Time Property",
		Kind: Text, Default: "TimerNodeStartTime", Required: true,
	}
}

func timerStartType() Type {
	return Type{
		Name:       "TimerStartNode",
		Title:      "Timer Start",
		Properties: []Property{startTimeProperty()},
		New:        func(c Config) (Node, error) { return timerStart{c.Text("startTimeProperty")}, nil },
	}
}

func (n timerStart) Process(c *Context) (Action, error) {
	c.State.PutShared(n.key, float64(c.Now.UnixMilli()))
	return Goto{Next}, nil
}
