package rest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Limits on the languages that a request may ask for.
const (
	maxLocales       = 10
	maxLocale        = 35  // bytes of one tag
	maxLanguageBytes = 512 // bytes of Accept-Language that are read
)

// locales are the client's languages, best first: the locale parameter alone,
// else Accept-Language. What is no language tag is passed over.
func locales(parameter string, header []string) []string {
	if isLocale(parameter) {
		return []string{parameter}
	}
	if len(header) == 0 {
		return nil
	}
	line := header[0]
	if len(line) > maxLanguageBytes {
		line = line[:strings.LastIndexByte(line[:maxLanguageBytes], ',')+1]
	}
	type choice struct {
		tag     string
		quality float64
	}
	var choices []choice
	for line != "" && len(choices) < maxLocales {
		var item string
		item, line, _ = strings.Cut(line, ",")
		tag, weight, weighted := strings.Cut(item, ";")
		tag = strings.TrimSpace(tag)
		quality := 1.0
		if weighted {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			if err != nil || !(q > 0 && q <= 1) {
				continue
			}
			quality = q
		}
		if isLocale(tag) {
			choices = append(choices, choice{tag, quality})
		}
	}
	if len(choices) == 0 {
		return nil
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return cmp.Compare(b.quality, a.quality) })
	tags := make([]string, len(choices))
	for i, c := range choices {
		tags[i] = c.tag
	}
	return tags
}

// locales are the languages of the request, and at last the realm's. AM's default
// is what every text falls back to anyway.
func (c *call) locales() []string {
	all := locales(c.query.get("locale"), c.r.Header["Accept-Language"])
	if own := c.settings.Locale; own != "en_US" {
		all = append(all, own)
	}
	return all
}

// isLocale takes "en", "en-GB" and Java's "en_GB".
func isLocale(tag string) bool {
	if tag == "" || len(tag) > maxLocale || !isLetter(tag[0]) {
		return false
	}
	for i := range len(tag) {
		c := tag[i]
		digit := c >= '0' && c <= '9'
		if !isLetter(c) && !digit && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
