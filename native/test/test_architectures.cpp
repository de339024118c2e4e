// A tiny model of every architecture that llama.cpp can make one of (generator/), as a pair of one, at two
// quantisations and pruned, through all that a pair does to its memory. docs/architectures.md holds the result; with
// OVERFILL_WRITE_ARCHITECTURES=1 it is written, else it has to be what comes out.
//
//   OVERFILL_TEST_ARCHITECTURES       the folder of the models
//   OVERFILL_TEST_ARCHITECTURES_PAGE  the page
//   OVERFILL_TEST_ARCHITECTURE        only the files whose names begin like this; the page is left alone
#include "architecture_row.h"
#include "check.h"
#include "generated_models.h"
#include "isolated.h"
#include "temp_folder.h"

#include <algorithm>
#include <cstdio>

using namespace overfill::test;

namespace {

constexpr unsigned n_seconds = 300;  // for one model, under a sanitizer

const char * const command = "OVERFILL_WRITE_ARCHITECTURES=1 npm run test:native -- -R architectures";

std::vector<architecture_row> try_all(const std::vector<std::string> & paths) {
    const std::vector<isolated_result> results = run_isolated(
        paths.size(),
        [&](size_t i) {
            const temp_folder folder;
            return text_of(try_architecture(paths[i], folder.path.string()));
        },
        n_seconds);
    std::vector<architecture_row> rows;
    for (size_t i = 0; i < results.size(); i++) {
        CHECK_EQUAL(results[i].ended, "");
        if (!results[i].ended.empty()) {
            std::printf("  %s\n", paths[i].c_str());
            continue;
        }
        rows.push_back(row_of(results[i].text));
        if (!rows.back().fault.empty()) std::printf("  %s\n", paths[i].c_str());
        CHECK_EQUAL(rows.back().fault, "");
    }
    return rows;
}

void compare_with_page(const std::string & table) {
    const std::string path = variable("OVERFILL_TEST_ARCHITECTURES_PAGE"), page = bytes_of(path);
    const size_t begin = page.find("| architecture |"), end = page.find("\n\n", begin);
    CHECK(begin != std::string::npos);
    if (begin == std::string::npos) return;
    const std::string rest = end == std::string::npos ? "" : page.substr(end + 1);
    const std::string current = page.substr(0, begin) + table + rest;
    if (!variable("OVERFILL_WRITE_ARCHITECTURES").empty()) return put_bytes(path, current);
    CHECK(page == current);
    if (page != current) std::printf("  the page is not current; this writes it:\n  %s\n", command);
}

}  // namespace

TEST("every architecture does as a pair what llama.cpp does alone, or is refused with a reason, as the docs say") {
    const std::vector<std::string> paths = generated_models();
    if (paths.empty()) {
        std::printf("  skipped: there are no models to try\n");
        CHECK(true);
        return;
    }
    const std::vector<architecture_row> rows = try_all(paths);
    const auto is_right = [](const architecture_row & row) { return row.fault.empty(); };
    if (rows.size() < paths.size() || !std::all_of(rows.begin(), rows.end(), is_right)) return;
    if (variable("OVERFILL_TEST_ARCHITECTURE").empty()) return compare_with_page(table_of(rows));
    std::printf("%s", table_of(rows).c_str());
}
