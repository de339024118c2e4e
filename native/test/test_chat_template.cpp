// Chats as text: by a template of the test's own, and what is refused.
#include "chat_template.h"
#include "check.h"
#include "models.h"
#include "temp_folder.h"
#include "tiny_model.h"

#include <ggml-cpp.h>
#include <gguf.h>

using namespace overfill;
using namespace overfill::test;

static const std::string source =
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

static model_ptr load(const std::string & path) {
    return load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
}

TEST("a chat becomes the template's text, with and without the beginning of an answer") {
    const model_path file{ tiny_model() };
    const model_ptr model = load(file.str());
    const chat_template chat(model.get(), source);
    const std::vector<chat_message> messages = { { "system", "Be brief." }, { "user", "Hi {{ 1 }} \"you\"" } };
    CHECK_EQUAL(chat.apply(messages, false, 0), std::string("<system>Be brief.</s>\n<user>Hi {{ 1 }} \"you\"</s>\n"));
    CHECK_EQUAL(chat.apply(messages, true, 0),
                std::string("<system>Be brief.</s>\n<user>Hi {{ 1 }} \"you\"</s>\n<assistant>"));
}

TEST("a template that prints the date prints the one it is given") {
    const model_path file{ tiny_model() };
    const model_ptr model = load(file.str());
    const chat_template chat(model.get(), "{{ strftime_now('%Y') }} {{ messages[0].content }}");
    const std::time_t summer_2001 = 993000000;
    CHECK_EQUAL(chat.apply({ { "user", "x" } }, false, summer_2001), std::string("2001 x"));
}

TEST("a model's own template is used, and a model without one is refused") {
    const model_path file{ tiny_model() };
    CHECK_FAILURE(error_code::model_unsupported, chat_template(load(file.str()).get()));

    const temp_folder folder;
    ggml_context * data = nullptr;
    const gguf_context_ptr in(gguf_init_from_file(file.str().c_str(), { false, &data }));
    const ggml_context_ptr tensors(data);
    const gguf_context_ptr out(gguf_init_empty());
    gguf_set_kv(out.get(), in.get());
    gguf_set_val_str(out.get(), "tokenizer.chat_template", source.c_str());
    for (int64_t i = 0; i < gguf_get_n_tensors(in.get()); i++)
        gguf_add_tensor(out.get(), ggml_get_tensor(data, gguf_get_tensor_name(in.get(), i)));
    gguf_write_to_file(out.get(), folder.file("chat.gguf").c_str(), false);
    const model_ptr model = load(folder.file("chat.gguf"));
    CHECK_EQUAL(chat_template(model.get()).apply({ { "user", "Hi" } }, true, 0),
                std::string("<user>Hi</s>\n<assistant>"));
}

TEST("a broken template and messages that a template refuses are coded errors") {
    const model_path file{ tiny_model() };
    const model_ptr model = load(file.str());
    for (const char * broken : { "{% for m in", "{{ 1 + }}", "{% if %}", "{{ messages[0].content | no_such_filter }}" })
        CHECK_FAILURE(error_code::invalid_argument,
                      chat_template(model.get(), broken).apply({ { "user", "x" } }, false, 0));
    const chat_template chat(model.get(), source);
    const std::string message = CHECK_FAILURE(error_code::invalid_argument, chat.apply({ { "tool", "x" } }, false, 0));
    CHECK(message.find("no tools here") != std::string::npos);
}
