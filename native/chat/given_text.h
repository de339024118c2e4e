// Which parts of a rendered chat are the template's own words and which were given: messages, tools, what the model
// wrote. A control token's text is a control token in the template's words and plain text in what was given, or a user
// could end a turn by typing <|im_end|>.
//
// llama.cpp's interpreter marks text that comes in with the variables and keeps the marks as texts are put together;
// here are the cases in which it does not. For this room only: it includes the interpreter.
#pragma once

#include "jinja/runtime.h"

#include <string>
#include <vector>

namespace overfill {

struct rendered_piece {
    std::string text;
    bool given;
};

// Takes down what metered programs (template_meter.h) write on this thread while it exists. At most one a thread.
class rendering_record {
  public:
    rendering_record();
    ~rendering_record();
    rendering_record(const rendering_record &) = delete;
    rendering_record & operator=(const rendering_record &) = delete;

    // The one of this thread; null if there is none.
    static rendering_record * current();

    void begin();
    void add(const jinja::value & printed);

    // The pieces whose text together is `text`, or its beginning, up to tokens that llama.cpp takes from the ends of a
    // rendering. What is not a rendering's counts as given.
    std::vector<rendered_piece> pieces_of(const std::string & text) const;

  private:
    std::vector<std::vector<rendered_piece>> renderings_;
};

// The value, marked as given if it is a text made of a value with given text. The interpreter forgets it in JSON.
jinja::value made_of(const jinja::value & source, jinja::value made);

// A role or the name of a token: llama.cpp marks it as given, but templates make control tokens of it.
jinja::value own_word(jinja::value word);

}  // namespace overfill
