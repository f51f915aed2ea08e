// simdjson FILE N dom|ondemand: walks FILE N times with the distribution's
// simdjson, making the same dotted names and values as the others. Prints how
// many numbers there are, their sum, and the nanoseconds of each walk.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

using namespace simdjson;

struct leaf { size_t at, len; double value; };
static std::vector<leaf> leaves;
static std::string arena, path;

static void emit(double v) {
	leaves.push_back({arena.size(), path.size(), v});
	arena += path;
}

static size_t enter(std::string_view key) {
	size_t before = path.size();
	if (before) path += '.';
	path += key;
	return before;
}

static void dom_walk(dom::element e) {
	switch (e.type()) {
	case dom::element_type::OBJECT:
		for (auto field : dom::object(e)) { size_t n = enter(field.key); dom_walk(field.value); path.resize(n); }
		break;
	case dom::element_type::ARRAY: {
		size_t i = 0;
		for (auto v : dom::array(e)) { size_t n = enter(std::to_string(i++)); dom_walk(v); path.resize(n); }
		break;
	}
	case dom::element_type::DOUBLE: case dom::element_type::INT64: case dom::element_type::UINT64:
		emit(double(e));
		break;
	default: break;
	}
}

template <class T> static void lazy_walk(T &&v) {
	switch (v.type()) {
	case ondemand::json_type::object:
		for (auto field : v.get_object()) {
			std::string_view key = field.unescaped_key();
			size_t n = enter(key);
			lazy_walk(field.value());
			path.resize(n);
		}
		break;
	case ondemand::json_type::array: {
		size_t i = 0;
		for (auto e : v.get_array()) { size_t n = enter(std::to_string(i++)); lazy_walk(e); path.resize(n); }
		break;
	}
	case ondemand::json_type::number: emit(double(v.get_double())); break;
	default: break;
	}
}

int main(int argc, char **argv) {
	if (argc != 4) return 2;
	padded_string text = padded_string::load(argv[1]);
	bool dom = !strcmp(argv[3], "dom");
	dom::parser tree;
	ondemand::parser lazy;
	for (int n = atoi(argv[2]); n > 0; n--) {
		auto begin = std::chrono::steady_clock::now();
		leaves.clear();
		arena.clear();
		path.clear();
		if (dom) {
			dom_walk(tree.parse(text));
		} else {
			ondemand::document d = lazy.iterate(text);
			ondemand::value root = d.get_value();
			lazy_walk(root);
		}
		long long took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count();
		double sum = 0;
		for (auto &l : leaves) sum += l.value;
		printf("%zu %.17g %lld\n", leaves.size(), sum, took);
	}
}
