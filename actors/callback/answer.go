package callback

import (
	"math"
	"strconv"
)

// Text returns input i as a string. Numbers and booleans, which lenient
// clients send for text, are written out; null is empty.
func (a Answer) Text(i int) (string, error) {
	v, err := a.value(i)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case nil:
		return "", nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case int:
		return strconv.Itoa(v), nil
	}
	return "", &ValueError{a.Type, "the input is not a string"}
}

// Int returns input i as a whole number; numeric strings count, as AM lets
// them.
func (a Answer) Int(i int) (int, error) {
	v, err := a.value(i)
	if err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case int:
		return v, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<31 {
			return int(v), nil
		}
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return n, nil
		}
	}
	return 0, &ValueError{a.Type, "the input is not a whole number"}
}

// Index returns input i as an index into a list of n options; one outside the
// list is a ValueError.
func (a Answer) Index(i, n int) (int, error) {
	at, err := a.Int(i)
	if err != nil {
		return 0, err
	}
	if at < 0 || at >= n {
		return 0, &ValueError{a.Type, "the input is not one of the options"}
	}
	return at, nil
}

// Bool returns input i as a boolean; "true" and "false" count.
func (a Answer) Bool(i int) (bool, error) {
	v, err := a.value(i)
	if err != nil {
		return false, err
	}
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b, nil
		}
	case nil:
		return false, nil
	}
	return false, &ValueError{a.Type, "the input is not a boolean"}
}

func (a Answer) value(i int) (any, error) {
	if i >= len(a.Values) {
		return nil, ErrInput
	}
	return a.Values[i], nil
}
