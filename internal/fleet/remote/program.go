package remote

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/ktstr/ktstr/internal/fleet"
)

// magic begins each line of the program on the host. A login script may print other lines before the first one.
const magic = "ktstr-host:"

// program runs on the host. It receives our executable on standard input if the kit lacks it, and then becomes
//
//	ktstr _host-attach NAME
//
// Its arguments are the SHA-256 and the size of the executable, a nonce for the name of a temporary file, and the arguments
// of ktstr. On a filesystem that several hosts share, the process id would not be a unique name.
//
// With ssh, the login shell of the user reads this text. It can be any shell, so the text is one line in single quotes. It has no
// single quote, no backslash (fish), and no exclamation mark and no line feed (csh). A umask is set in subshells only,
// because the payload inherits the one of the user.
const program = `
h=$1; s=$2; n=$3; shift 3;
say() { echo "` + magic + ` $*"; };
fail() { say "fail $*"; exit 1; };
echo; say "host $(uname -srm)";
case ${XDG_CACHE_HOME:-${HOME-}} in
	/*) ;;
	*) fail "no place for ktstr: HOME is not an absolute path";;
esac;
[ "${XDG_CACHE_HOME-}" ] || [ -d "$HOME" ] || fail "no place for ktstr: there is no home directory $HOME";
k=${XDG_CACHE_HOME:-$HOME/.cache}/` + fleet.KitDir + `; f=$k/$h; t=$k/.receive-$n;
drop() { rm -f "$t"; fail "$*"; };
whole() { [ -f "$1" ] && [ "$(wc -c <"$1")" -eq "$s" ]; };
whole "$f" || {
	e=$( { umask 077; mkdir -p "$k"; } 2>&1) || fail "$k: $e";
	find "$k" -name ".receive-*" -mtime +0 -exec rm -f {} + 2>/dev/null;
	say want;
	e=$( { umask 077; head -c "$s" >"$t"; } 2>&1) || drop "$k: $e";
	whole "$t" || drop "$k: only a part of ktstr arrived";
	if command -v sha256sum >/dev/null 2>&1; then
		case $(sha256sum <"$t") in
			"$h "*) ;;
			*) drop "$k: ktstr arrived damaged";;
		esac;
	fi;
	e=$( { chmod 700 "$t" && sync "$t" && mv -f "$t" "$f"; } 2>&1) || drop "$k: $e";
};
[ -x "$f" ] || fail "$f cannot be executed, for example because its filesystem is mounted noexec: make ~/.cache/ktstr a link to another directory";
say exec; exec "$f" "$@"
`

// plain matches the words that a shell takes as they are.
var plain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`) })

// Words returns the command to run on the host, for the job of that name: sh, -c, a text without a single quote, a
// backslash, an exclamation mark or a line feed, and its arguments, which no shell changes.
func Words(ktstr fleet.File, job string) ([]string, error) {
	words := []string{"ktstr", ktstr.SHA256, fmt.Sprint(ktstr.Size), strings.ToLower(rand.Text()), fleet.AttachVerb, job}
	for _, w := range words {
		if !plain().MatchString(w) {
			return nil, fmt.Errorf("%q: want letters, digits, and . _ - for a remote shell", w)
		}
	}
	return append([]string{"sh", "-c", oneLine()}, words...), nil
}

// oneLine returns the program without line feeds and indentation.
var oneLine = sync.OnceValue(func() string { return strings.Join(strings.Fields(program), " ") })
