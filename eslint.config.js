import js from "@eslint/js";
import pulumi from "@pulumi/eslint-plugin";
import { defineConfig } from "eslint/config";
import { importX } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/**
 * Who may import whom. Each zone says where a folder's own imports must not lead;
 * test/lint.test.ts holds an example of each.
 */
const zones = [
  { target: "./apps/*/**", from: "./", except: ["./apps", "./node_modules"] },
  ...["web", "add", "ws", "m"].map((app) => ({
    target: `./apps/${app}/**`,
    from: "./apps",
    except: [`./${app}`, "./lib"],
  })),
  { target: "./apps/lib/**", from: "./apps", except: ["./lib"] },
  { target: "./components/**", from: "./", except: ["./components", "./node_modules"] },
  { target: "./config.ts", from: "./", except: ["./components", "./node_modules"] },
  { target: "./index.ts", from: "./", except: ["./config.ts", "./components", "./node_modules"] },
  { target: "./policies/**", from: "./", except: ["./policies", "./node_modules"] },
  { target: "./local/**", from: "./", except: ["./local", "./node_modules"] },
  ...Object.entries({
    engine: ["./process", "./wire"],
    provider: ["./wire"],
    cloud: ["./process", "./wire", "./provider/backend.ts"],
    process: ["./tools/cache-folder.ts"],
    wire: [],
  }).map(([folder, others]) => ({
    target: `./local/${folder}/**`,
    from: "./local",
    except: [`./${folder}`, ...others],
  })),
  {
    target: "./scripts/**",
    from: "./",
    except: [
      ...["./scripts", "./components", "./config.ts", "./local", "./policies"],
      "./node_modules",
    ],
  },
].map((zone) => ({ ...zone, message: "See docs/structure.md: who may import whom." }));

export default defineConfig(
  { ignores: ["node_modules/", ".bundles/"] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["eslint.config.js", "policies/index.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { "import-x": importX, "@pulumi": pulumi },
    // Without it the rule against cycles takes a .ts file for one without imports.
    settings: { "import-x/extensions": [".ts", ".tsx", ".js"] },
    rules: {
      "import-x/no-restricted-paths": ["error", { basePath: import.meta.dirname, zones }],
      // No package imports what is ours.
      "import-x/no-cycle": ["error", { ignoreExternal: true }],
      // What package.json does not name is there by luck. What is deployed needs no tool's package.
      "import-x/no-extraneous-dependencies": [
        "error",
        {
          devDependencies: [
            ...["local/**", "policies/**", "scripts/**", "test/**", "bench/**"],
            "eslint.config.js",
          ],
          // Also for policies/, whose own package.json says its version and nothing else.
          packageDir: import.meta.dirname,
          peerDependencies: false,
          includeTypes: true,
        },
      ],
      // Node's own, then packages, then what is ours; in one block.
      "import-x/order": [
        "error",
        {
          groups: ["builtin", "external", ["parent", "sibling", "index"]],
          alphabetize: { order: "asc", caseInsensitive: true, orderImportKind: "ignore" },
          "newlines-between": "never",
        },
      ],
      "@typescript-eslint/explicit-member-accessibility": ["error", { accessibility: "no-public" }],
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      // A component or a process is made for its effect; the class name says which.
      "no-new": "off",
    },
  },
  {
    files: ["index.ts", "config.ts", "components/**", "policies/**"],
    rules: {
      "@pulumi/no-output-in-template-literal": "error",
      "@pulumi/no-output-instance-in-template-literal": "error",
    },
  },
  {
    files: ["components/**"],
    ignores: ["components/lib/bundle.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: "^(?!\\.|node:|@pulumi/)",
              message: "Components need no package but Pulumi's: docs/structure.md.",
            },
          ],
        },
      ],
    },
  },
  {
    files: ["policies/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: "^(?!\\.|zod$|@pulumi/policy$)",
              message: "Policies need no package but zod and @pulumi/policy: docs/structure.md.",
            },
          ],
        },
      ],
    },
  },
  {
    files: ["test/**", "bench/**"],
    rules: {
      // node:test's describe and it return promises that the runner itself awaits.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["describe", "it", "test", "suite"] },
          ],
        },
      ],
    },
  },
);
