// The names in a folder, a line each, with a slash at the end for a folder: whoever tidies up there removes only what
// has the package's own names.
#include "fuzz_target.h"
#include "prefix_folder.h"
#include "staging_folder.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace fs = std::filesystem;
using namespace overfill;

namespace {

bool is_hexadecimal(const std::string & text) {
    return std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return std::isdigit(c) || (c >= 'a' && c <= 'f'); });
}

bool is_own(const std::string & name) {
    const auto ends = [&](const std::string & end) {
        return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
    };
    if (name.rfind(".overfill-", 0) == 0 && ends(".part")) return true;
    return name.size() > 65 && is_hexadecimal(name.substr(0, 32)) && name[32] == '-' &&
           is_hexadecimal(name.substr(33, 32)) && name[65] == '.';
}

}  // namespace

void overfill::test::fuzz_one(const std::string & bytes) {
    const fs::path folder = fuzz_folder().path / "names";
    fs::remove_all(folder);
    fs::create_directory(folder);
    std::vector<fs::path> others;
    std::istringstream lines(bytes);
    size_t n = 0;
    for (std::string name; n < 20 && std::getline(lines, name); n++) {
        const bool is_folder = !name.empty() && name.back() == '/';
        if (is_folder) name.pop_back();
        name.erase(std::remove_if(name.begin(), name.end(), [](char c) { return c == '/' || c == '\0'; }), name.end());
        if (name.empty() || name == "." || name == ".." || name.size() > 255) continue;
        const fs::path path = folder / name;
        // A name may come twice.
        std::error_code error;
        if (is_folder)
            fs::create_directory(path, error);
        else
            put_bytes(path.string(), "x");
        if (!is_own(name)) others.push_back(path);
    }
    read_or_refuse([&] {
        const staging_folder staging(folder / "output", "output");
        prefix_folder(folder.string()).make_room(0);
    });
    for (const fs::path & path : others) demand(fs::exists(path), "what is not the package's stays");
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    const std::string key(32, 'a'), other(32, '0');
    return { "a\nb.txt\n.overfill-0123456789abcdef.part/\n.overfill-0123456789abcdef.part\n.hidden/\n",
             key + "-" + other + ".prefix-rows\n" + other + "-" + key + ".prefix-state\n" + key + "-" + other + "\n",
             "\xff\xfe\n\xc3\xa9\n-\n.overfill-.part/\n.overfill-0123456789ABCDEF.part/\n" };
}
