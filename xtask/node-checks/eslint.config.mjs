// Lint rules of the bridge. Its folder is the working directory, so that nothing here is shipped.
import js from '@eslint/js';
import globals from 'globals';

const rules = {
  'no-console': 'error',
  eqeqeq: ['error', 'always', { null: 'ignore' }],
  'no-var': 'error',
  'prefer-const': 'error',
  'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
  'no-control-regex': 'off',
};

export default [
  { ignores: ['node_modules/**'] },
  js.configs.recommended,
  {
    files: ['**/*.mjs'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'module', globals: globals.node },
    rules,
  },
  {
    // What runs in the browser.
    files: ['src/pair-page/assets/*.js'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'script', globals: globals.browser },
    rules,
  },
];
