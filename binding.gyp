{
  # For prebuildify, which knows only node-gyp: one action that lets cmake-js do the work.
  "targets": [
    {
      "target_name": "overfill",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake_js",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/overfill.node"],
          "action": ["node", "scripts/build/native.mjs", "--output", "<(PRODUCT_DIR)"]
        }
      ]
    }
  ]
}
