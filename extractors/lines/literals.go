package lines

import (
	"regexp/syntax"
	"slices"
)

// requiredLiterals returns texts of which one is in every match of re. It prefers long
// ones, and returns none if it finds none.
func requiredLiterals(re *syntax.Regexp) (literals []string) {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return requiredLiterals(re.Sub[0])
	case syntax.OpAlternate:
		const most = 16 // of one pattern
		for _, sub := range re.Sub {
			l := requiredLiterals(sub)
			if literals = append(literals, l...); len(l) == 0 || len(literals) > most {
				return nil
			}
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if l := requiredLiterals(sub); shortest(l) > shortest(literals) {
				literals = l
			}
		}
	}
	return literals
}

// shortest returns the length of the shortest text, 0 for none.
func shortest(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	return len(slices.MinFunc(texts, func(a, b string) int { return len(a) - len(b) }))
}

// firstBytes returns the bytes with which a match of re can begin at the start of a
// line. It is nil if a match can begin elsewhere, or with any byte.
func firstBytes(re *syntax.Regexp) *[256]bool {
	prog, err := syntax.Compile(re)
	if err != nil {
		return nil
	}
	first := &[256]bool{}
	seen := map[[2]any]bool{}
	var add func(pc uint32, atStart bool) bool // false: any byte
	add = func(pc uint32, atStart bool) bool {
		key := [2]any{pc, atStart}
		if seen[key] { // a loop
			return true
		}
		seen[key] = true
		in := &prog.Inst[pc]
		switch in.Op {
		case syntax.InstFail:
			return true
		case syntax.InstAlt:
			return add(in.Out, atStart) && add(in.Arg, atStart)
		case syntax.InstCapture, syntax.InstNop:
			return add(in.Out, atStart)
		case syntax.InstEmptyWidth:
			return syntax.EmptyOp(in.Arg)&syntax.EmptyBeginText != 0 && add(in.Out, true)
		case syntax.InstRune, syntax.InstRune1:
			if !atStart {
				return false
			}
			fold := syntax.Flags(in.Arg)&syntax.FoldCase != 0
			for i := 0; i < len(in.Rune); i += 2 {
				for r := in.Rune[i]; r <= in.Rune[min(i+1, len(in.Rune)-1)] && r < 256; r++ {
					first[r] = true
					if fold && r|0x20 >= 'a' && r|0x20 <= 'z' {
						first[r^0x20] = true
					}
				}
			}
			for b := 0x80; b < 256; b++ {
				first[b] = true // the first byte of a longer character
			}
			return true
		}
		return false
	}
	if !add(uint32(prog.Start), false) {
		return nil
	}
	return first
}
