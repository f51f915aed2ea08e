package extractors

// skimmed is what skim found.
type skimmed struct {
	ok      bool
	end     int  // where the container ends, or where the text stops being JSON
	lines   int  // newlines up to end
	objects bool // an object is in it
	// Where it is not JSON:
	what   string // was met, and was wanted
	cut    bool   // the text ended
	quoted bool   // inside a string
	open   int    // containers open at end
	member bool   // an object got as far as the colon of its first member
	lone   []span // whole containers in those left open, that stand alone on their lines
}

// What is wanted where a value is.
const (
	wantValue  = "want a value"
	wantDigits = "a number that is none: want digits, and no zero before others"
)

// span is a piece of the text, and how many containers are open around it.
type span struct{ start, end, open int }

// skim reads the container that begins at b[i] as walk does, of any depth, but
// keeps nothing; in exchange it tells what is wrong with it. Where layout is
// given, it also finds the documents that a container which never ends seems
// to hold.
func skim(b []byte, i int, layout *layout) (r skimmed) {
	// A bit for each open container, set for objects: hostile text may nest
	// as deep as it is long.
	var types []uint64
	var begun []span // of the containers at hand, those that begin a line
	first := true    // of the container at hand, nothing was read yet
	begin := i
	stop := func(what string) skimmed {
		r.what, r.end = what, i
		if i >= len(b) {
			r.cut, r.what = true, "the text ends"
		}
		return r
	}
	blank := func() {
		for ; i < len(b) && space(b[i]); i++ {
			if b[i] == '\n' {
				r.lines++
			}
		}
	}
	object := func() bool { d := r.open - 1; return types[d>>6]>>(d&63)&1 != 0 }
	for {
		if i >= len(b) {
			return stop("")
		}
		switch c := b[i]; c {
		case '{', '[':
			if layout != nil && i > begin && layout.begins(b, i) && len(begun) < 1<<16 {
				begun = append(begun, span{start: i, open: r.open})
			}
			if r.open>>6 == len(types) {
				types = append(types, 0)
			}
			bit := uint64(1) << (r.open & 63)
			types[r.open>>6] &^= bit
			if c == '{' {
				types[r.open>>6] |= bit
				r.objects = true
			}
			r.open++
			first = true
			i++
		case '"':
			end, ok := skipString(b, i+1)
			if !ok {
				i, r.quoted = end, true
				return stop("a character that a string cannot hold: want it escaped")
			}
			i, first = end, false
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			_, end, kind := number(b, i)
			i = end
			if kind == notNumber {
				return stop(wantDigits)
			}
			first = false
		case 't', 'f', 'n':
			if !literal(b, &i, "true") && !literal(b, &i, "false") && !literal(b, &i, "null") {
				return stop(wantValue)
			}
			first = false
		default:
			return stop(wantValue)
		}

		for {
			blank()
			if i >= len(b) {
				return stop("")
			}
			if c := b[i]; c == '}' && object() || c == ']' && !object() {
				i++
				r.open--
				for len(r.lone) > 0 && r.lone[len(r.lone)-1].open > r.open {
					r.lone = r.lone[:len(r.lone)-1]
				}
				if n := len(begun); n > 0 && begun[n-1].open == r.open {
					if layout.ends(b, i) {
						r.lone = append(r.lone, span{begun[n-1].start, i, r.open})
					}
					begun = begun[:n-1]
				}
				first = false
				if r.open == 0 {
					r.ok, r.end = true, i
					return r
				}
				continue
			}
			break
		}
		if !first {
			if b[i] != ',' {
				if object() {
					return stop("want a comma, or the end of the object")
				}
				return stop("want a comma, or the end of the array")
			}
			i++
			blank()
		}
		first = false
		if object() {
			if i >= len(b) || b[i] != '"' {
				return stop("want a key in quotes")
			}
			end, ok := skipString(b, i+1)
			if i = end; !ok {
				r.quoted = true
				return stop("a character that a string cannot hold: want it escaped")
			}
			blank()
			if i >= len(b) || b[i] != ':' {
				return stop("want a colon")
			}
			i++
			r.member = true
			blank()
		}
	}
}

// layout is the place of a container in its text.
type layout struct{ indent int }

// begins tells whether nothing but blanks, and no more than around the
// container that l belongs to, stands before b[i] on its line.
func (l *layout) begins(b []byte, i int) bool {
	n := 0
	for ; i > 0 && b[i-1] != '\n'; i-- {
		if n++; n > l.indent || !space(b[i-1]) {
			return false
		}
	}
	return true
}

// ends tells whether nothing but blanks stands behind b[:i] on its line.
func (l *layout) ends(b []byte, i int) bool {
	for ; i < len(b) && b[i] != '\n'; i++ {
		if !space(b[i]) {
			return false
		}
	}
	return true
}
