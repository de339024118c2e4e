// The named layer maps.
#include "check.h"
#include "translator.h"

using namespace overfill;
using namespace overfill::test;

TEST("the named layer maps are those of the literature") {
    using layers = std::vector<int32_t>;
    CHECK(named_layer_map("first", 6, 3) == (layers{ 0, 1, 2 }));
    CHECK(named_layer_map("last", 6, 3) == (layers{ 3, 4, 5 }));
    CHECK(named_layer_map("firstlast", 6, 3) == (layers{ 0, 4, 5 }));
    CHECK(named_layer_map("spaced", 6, 3) == (layers{ 0, 2, 5 }));  // 2.5 to the even neighbour
    CHECK(named_layer_map("spaced", 28, 16) == (layers{ 0, 2, 4, 5, 7, 9, 11, 13, 14, 16, 18, 20, 22, 23, 25, 27 }));
    CHECK(named_layer_map("spaced", 2, 4) == (layers{ 0, 0, 1, 1 }));
    CHECK(named_layer_map("spaced", 5, 1) == (layers{ 0 }));
    for (const char * name : { "first", "last", "firstlast", "spaced" }) {
        const layers one = named_layer_map(name, 4, 1), all = named_layer_map(name, 4, 4);
        CHECK(one.size() == 1 && one[0] == (std::string(name) == "last" ? 3 : 0));
        CHECK(all == (layers{ 0, 1, 2, 3 }));
        CHECK(named_layer_map(name, 4, 0).empty());
        CHECK(named_layer_map(name, 0, 4).empty());
        CHECK(named_layer_map(name, 4, 5).empty() == (std::string(name) != "spaced"));
    }
    CHECK(named_layer_map("middle", 4, 2).empty());
    CHECK(named_layer_map("", 4, 2).empty());
}
