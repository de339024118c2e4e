// A line of training or evaluation data.
#include "data_record.h"
#include "fuzz_target.h"

using namespace overfill;

void overfill::test::fuzz_one(const std::string & bytes) {
    read_or_refuse([&] {
        const data_record record = parse_data_record(bytes);
        demand(!record.messages.empty() + record.prompt.has_value() + record.text.has_value() == 1,
               "a record is one of three kinds");
        demand(record.prompt.has_value() == record.response.has_value(), "a prompt has its response");
    });
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    return {
        R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"text","text":"Yes."}]}]})",
        R"({"prompt":"a \u00e9 \ud83d\ude00","response":"b","more":[1,-2.5e3,true,null,{}]})",
        R"({"prompt":"a","completion":"b"})",
        R"({"text":"a text\n of two lines"})",
        R"({"messages":[{"role":"tool","content":"x","tool_call_id":"1"}],"tools":[{}]})",
    };
}
