#include "architecture_row.h"

#include "architecture_copies.h"
#include "failure.h"
#include "model_traits.h"
#include "models.h"
#include "pair_scenario.h"
#include "prefix_scenario.h"

#include <llama.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <stdexcept>

namespace overfill::test {

namespace {

const char * const nothing = "–";

constexpr std::array<std::string architecture_row::*, 8> fields = {
    &architecture_row::architecture, &architecture_row::memory, &architecture_row::one,      &architecture_row::two,
    &architecture_row::pruned,       &architecture_row::back,   &architecture_row::prefixes, &architecture_row::fault,
};

std::string name_of(const std::string & path) {
    const std::string stem = std::filesystem::path(path).stem().string();
    const size_t dash = stem.rfind('-');
    return "`" + stem.substr(0, dash) + "`" + (stem.substr(dash) == "-moe" ? ", experts" : "");
}

std::string memory_of(const std::string & path) {
    const model_ptr model = load_model({ path, 0 }, load_depth::metadata, [](float) { return true; });
    return traits_of(model.get()).memory.name();
}

// What may be said of a file or a pair before it runs.
bool is_refusal(error_code code) {
    return code == error_code::model_unsupported || code == error_code::pair_incompatible ||
           code == error_code::handover_unavailable || code == error_code::prune_unsupported;
}

// The message says which file it is about; the row does so too.
std::string refusal_of(const failure & error) {
    std::string why = error.what();
    const size_t name_end = why.find(".gguf");
    if (name_end != std::string::npos) why.erase(0, why.find_first_not_of(": ", name_end + 5));
    return std::string("`") + error_code_name(error.code()) + "`: " + why;
}

class trial {
  public:
    trial(architecture_row & row, const std::string & path) : row_(row), path_(path) {}

    // Whether it ran.
    bool run(std::string & cell, const std::string & decode_path, const std::string & note = "") {
        try {
            const scenario_outcome outcome = run_scenario(path_, decode_path);
            const char * const kind = outcome.kind == handover_kind::share ? "shares, " : "translates, ";
            const bool right = outcome.fault.empty();
            cell = (decode_path.empty() ? "" : kind) + std::string(right ? "bit-equal" : "WRONG") + note;
            reads_again_ = reads_again_ || outcome.reads_again;
            row_.back = !row_.fault.empty() || !right ? "WRONG" : reads_again_ ? "bit-equal, reads again" : "bit-equal";
            if (!right) fault(outcome.fault);
            return true;
        } catch (const failure & error) {
            cell = refusal_of(error);
            if (!is_refusal(error.code())) fault(error.what());
        } catch (const std::exception & error) {
            cell = "WRONG";
            fault(error.what());
        }
        return false;
    }

    void run_prefixes() {
        try {
            const prefix_outcome outcome = run_prefix_scenario(path_);
            row_.prefixes = !outcome.fault.empty() ? "WRONG" : outcome.keeps ? "bit-equal" : "not kept";
            if (!outcome.fault.empty()) fault(outcome.fault);
        } catch (const std::exception & error) {
            row_.prefixes = "WRONG";
            fault(error.what());
        }
    }

    void fault(const std::string & what) { row_.fault += (row_.fault.empty() ? "" : "; ") + what; }

  private:
    architecture_row & row_;
    const std::string & path_;
    bool reads_again_ = false;
};

}  // namespace

architecture_row try_architecture(const std::string & path, const std::string & folder) {
    architecture_row row{ name_of(path), memory_of(path), nothing, nothing, nothing, nothing, nothing, "" };
    trial attempt(row, path);
    if (!attempt.run(row.one, "")) {
        row.memory = nothing;
        return row;
    }
    attempt.run_prefixes();
    try {
        const std::string copy = quantised_copy(path, folder);
        attempt.run(row.two, copy);
        std::filesystem::remove(copy);
        const pruned_model pruned = pruned_copy(path, folder);
        if (!pruned.path.empty())
            attempt.run(row.pruned, pruned.path, pruned.feed_forward_only ? " (feed-forward)" : "");
    } catch (const failure & error) {
        if (!is_refusal(error.code())) attempt.fault(error.what());
        row.pruned = refusal_of(error);
    } catch (const std::exception & error) {
        attempt.fault(error.what());
    }
    return row;
}

std::string text_of(const architecture_row & row) {
    std::string text;
    for (const auto field : fields) {
        std::string line = row.*field;
        std::replace(line.begin(), line.end(), '\n', ' ');
        text += line + '\n';
    }
    return text;
}

architecture_row row_of(const std::string & text) {
    architecture_row row;
    size_t from = 0;
    for (const auto field : fields) {
        const size_t end = text.find('\n', from);
        if (end == std::string::npos) throw std::runtime_error("this is no row: " + text);
        row.*field = text.substr(from, end - from);
        from = end + 1;
    }
    return row;
}

std::string table_of(const std::vector<architecture_row> & rows) {
    std::string table = "| architecture | memory | pair of one | two quantisations | width-pruned | refresh, going "
                        "back | prompts read once |\n"
                        "| --- | --- | --- | --- | --- | --- | --- |\n";
    for (const architecture_row & row : rows) {
        for (size_t i = 0; i + 1 < fields.size(); i++) table += "| " + row.*fields[i] + " ";
        table += "|\n";
    }
    return table;
}

}  // namespace overfill::test
