// A chat template: what a model's file may hold, run by llama.cpp's interpreter under our budget.
#include "chat_template.h"
#include "fuzz_target.h"
#include "models.h"
#include "tiny_model.h"

using namespace overfill;
using namespace overfill::test;

namespace {

struct fixture {
    model_path path{ tiny_model() };
    model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
};

}  // namespace

void overfill::test::fuzz_one(const std::string & bytes) {
    static const fixture f;
    static const std::vector<chat_message> messages = {
        { "system", "Be brief." }, { "user", "Hi {{ 1 }} \"you\" \xc3\xa9" }, { "assistant", "Yes." }, { "user", "" }
    };
    read_or_refuse([&] {
        const chat_template chat(f.model.get(), bytes);
        chat.apply(messages, true, 993000000);
    });
}

std::vector<std::string> overfill::test::fuzz_seeds() {
    return {
        "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>\n{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}",
        "{%- set ns = namespace(n=0) -%}{% for m in messages if m['role'] != 'system' %}{% set ns.n = ns.n + 1 %}"
        "{{ loop.index0 ~ ns.n }}{% if not loop.last %}, {% else %}!{% endif %}{% endfor %}",
        "{% macro line(m, end='x') %}{{ m.content[:3] }}{{ m.content | upper | replace('I', 'j') }}{{ end }}{% "
        "endmacro %}"
        "{{ line(messages[0]) }}{{ line(messages[-1], end=bos_token) }}",
        "{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] %}{% set rest = messages[1:] %}"
        "{% else %}{{ raise_exception('no') }}{% endif %}{{ rest | tojson(indent=2) }}{{ s.split(' ') | join('-') }}",
        "{{ range(3) | list | map('string') | join }}{{ {'a': [1, 2.5, none, true]} | tojson }}{{ strftime_now('%Y') }}"
        "{{ 'a' if messages is defined and messages | length > 1 else 'b' }}{# a comment #}{{ 7 // 2 % 2 ** 2 }}",
        "{% filter upper %}{% generation %}a{% endgeneration %}{% endfilter %}{% call(x) f() %}{{ x }}{% endcall %}",
    };
}
