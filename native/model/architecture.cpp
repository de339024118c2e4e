#include "architecture.h"

namespace overfill {

const std::vector<architecture> & all_architectures() {
    static const std::vector<architecture> rows = [] {
        std::vector<architecture> all;
        const auto row = [&](const char * name) -> architecture & {
            all.emplace_back();
            all.back().name = name;
            return all.back();
        };
        row("llama");
        return all;
    }();
    return rows;
}

const architecture * find_architecture(const std::string & name) {
    for (const architecture & row : all_architectures())
        if (name == row.name) return &row;
    return nullptr;
}

}  // namespace overfill
